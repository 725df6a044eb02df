//! Substitution: `$NAME` and `${NAME}` from `%define`, `$(NAME)` from the environment, `$$` for a dollar.
//!
//! A value put in is not looked at again. ZConfig 4 has no defaults (`$(NAME:x)`), so neither has this.

/// Why a value could not be substituted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Substitution {
    /// A `$` at the end.
    #[error("a lone '$' at the end; write '$$' for a dollar")]
    LoneDollar,
    /// A `$`, `${` or `$(` before something that is no name.
    #[error("'{0}' is not followed by a name; write '$$' for a dollar")]
    NoName(&'static str),
    /// A bracket left open.
    #[error("'${open}{name}' is not followed by '{close}'")]
    Open {
        /// The bracket.
        open: char,
        /// The name behind it.
        name: String,
        /// What should follow.
        close: char,
    },
    /// No `%define` before.
    #[error("'{0}' is not defined; put '%define {0} VALUE' above")]
    Undefined(String),
    /// Nothing in the environment.
    #[error("the environment variable '{0}' is not set")]
    Unset(String),
    /// More text than there is room for.
    #[error("the value becomes too long")]
    TooLong,
}

/// Where a name is looked up.
#[derive(Clone, Copy)]
enum Scope {
    Defines,
    Environment,
}

/// `text` with every reference replaced, at most `room` bytes longer than before. `defined` is asked with names in
/// lower case, `variable` with names as written.
pub fn substitute(
    text: &str,
    room: usize,
    defined: impl Fn(&str) -> Option<String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<String, Substitution> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            result.push('$');
            rest = after;
            continue;
        }
        let (scope, name, after) = reference(after)?;
        result.push_str(&match scope {
            Scope::Defines => {
                defined(&name.to_ascii_lowercase()).ok_or_else(|| Substitution::Undefined(name.to_owned()))?
            }
            Scope::Environment => variable(name).ok_or_else(|| Substitution::Unset(name.to_owned()))?,
        });
        rest = after;
        // Asked at every step: a short text of many references can unfold into more than memory holds.
        if result.len() > text.len().saturating_add(room) {
            return Err(Substitution::TooLong);
        }
    }
    result.push_str(rest);
    Ok(result)
}

/// Whether `text` can be defined and referred to.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && name_length(text) == text.len()
}

/// Splits what follows a `$` into the reference and the rest.
fn reference(after: &str) -> Result<(Scope, &str, &str), Substitution> {
    let (scope, what, open, close, body) = match after.chars().next() {
        None => return Err(Substitution::LoneDollar),
        Some('{') => (Scope::Defines, "${", '{', '}', &after[1..]),
        Some('(') => (Scope::Environment, "$(", '(', ')', &after[1..]),
        Some(_) => {
            return match after.split_at(name_length(after)) {
                ("", _) => Err(Substitution::NoName("$")),
                (name, rest) => Ok((Scope::Defines, name, rest)),
            };
        }
    };
    let (name, rest) = body.split_at(name_length(body));
    if name.is_empty() {
        return Err(Substitution::NoName(what));
    }
    match rest.strip_prefix(close) {
        Some(rest) => Ok((scope, name, rest)),
        None => Err(Substitution::Open { open, name: name.to_owned(), close }),
    }
}

/// Bytes of the name that `text` starts with: ASCII letters, digits and underscores, no digit first.
fn name_length(text: &str) -> usize {
    match text.bytes().next() {
        Some(first) if first.is_ascii_alphabetic() || first == b'_' => {
            text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count()
        }
        _ => 0,
    }
}
