//! What can be wrong with the text of a configuration.

use std::path::PathBuf;

use super::{MAX_BYTES, MAX_DEPTH, MAX_INCLUDES, Substitution};

/// A breach of ZConfig's grammar or of a bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file itself cannot be read; in the operating system's words.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// An included file cannot be read.
    #[error("cannot include {}: {why}", path.display())]
    NotIncluded {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        why: String,
    },
    /// The file is no UTF-8.
    #[error("this line is not UTF-8 text")]
    NotText,
    /// `<` without `>` at the end of the line.
    #[error("a section starts with <type> or <type name> on a line of its own")]
    MalformedSection,
    /// `</` without `>` at the end of the line.
    #[error("a section ends with </type> on a line of its own")]
    MalformedEnd,
    /// An end without a start in the same file.
    #[error("</{0}> ends a section that was not started")]
    UnexpectedEnd(String),
    /// An end of another type than the section open.
    #[error("</{found}> ends <{open}>, started in line {line}")]
    Unbalanced {
        /// The type in the end.
        found: String,
        /// The type of the section.
        open: String,
        /// Where the section starts.
        line: u32,
    },
    /// The file ends inside a section.
    #[error("<{0}> is never ended")]
    Unclosed(String),
    /// A line that starts with a parenthesis.
    #[error("expected a key and its value")]
    MalformedKey,
    /// `%` without a directive's name.
    #[error("expected %define, %include or %import")]
    MalformedDirective,
    /// Another word after `%`.
    #[error("unknown directive '%{0}'; there are %define, %include and %import")]
    UnknownDirective(String),
    /// A directive alone on its line.
    #[error("%{0} needs an argument")]
    MissingArgument(&'static str),
    /// `%define` of something that `$` could not find.
    #[error("'{0}' cannot be defined: a name has letters, digits and underscores only")]
    NotAName(String),
    /// `%define` of a known name with another value.
    #[error("'{0}' is defined already, with another value")]
    Redefined(String),
    /// A `$` that leads nowhere.
    #[error(transparent)]
    Substitution(#[from] Substitution),
    /// `%include` of a URL.
    #[error("only files can be included, not {0}")]
    NotAFile(String),
    /// A file that includes itself, maybe through others.
    #[error("{} includes itself", .0.display())]
    Cycle(PathBuf),
    /// `%import` of a package whose sections are unknown here.
    #[error("cannot import '{0}': its sections are not known to Zeolith")]
    UnknownPackage(String),
    /// More than [`MAX_DEPTH`].
    #[error("more than {MAX_DEPTH} sections inside one another")]
    TooDeep,
    /// More than [`MAX_INCLUDES`].
    #[error("more than {MAX_INCLUDES} files include one another")]
    TooManyIncludes,
    /// More than [`MAX_BYTES`].
    #[error("the configuration is larger than {MAX_BYTES} bytes")]
    TooLarge,
}
