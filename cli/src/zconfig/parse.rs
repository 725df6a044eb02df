//! From text to a tree of sections.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{
    Document, Fault, Host, Key, Located, MAX_BYTES, MAX_DEPTH, MAX_INCLUDES, Position, Section, is_name,
    substitute,
};

/// Packages whose section types the configuration knows without loading anything.
const KNOWN_PACKAGES: [&str; 7] = [
    "ZODB",
    "ZODB.tests",
    "ZEO",
    "zc.zlibstorage",
    "ZConfig.components.logger",
    "zdaemon",
    "ZConfig.components.basic",
];

type Result<T> = std::result::Result<T, Located<Fault>>;

/// Reads and parses the file at `path` and what it includes.
pub fn load(path: &Path, host: &dyn Host) -> Result<Document> {
    let start = Position { file: Arc::from(path), line: 0 };
    let bytes = host.read(path).map_err(|why| start.says(Fault::Unreadable(why.to_string())))?;
    document(&bytes, start, host)
}

/// Parses `text` as if it stood in the file `name`, which is not read. Files it includes are.
pub fn parse(text: &str, name: &Path, host: &dyn Host) -> Result<Document> {
    document(text.as_bytes(), Position { file: Arc::from(name), line: 0 }, host)
}

fn document(bytes: &[u8], start: Position, host: &dyn Host) -> Result<Document> {
    let mut parser =
        Parser { host, defines: BTreeMap::new(), left: MAX_BYTES, files: Vec::new(), imports: Vec::new() };
    let mut root = section("", None, start.clone());
    parser.file(bytes, &start, &mut root, 0)?;
    Ok(Document { root, imports: parser.imports, defines: parser.defines })
}

fn section(kind: &str, name: Option<String>, at: Position) -> Section {
    Section { kind: kind.to_owned(), name, keys: Vec::new(), sections: Vec::new(), at }
}

/// What outlives a file: definitions made in an included file hold in the including one, as in ZConfig.
struct Parser<'h> {
    host: &'h dyn Host,
    defines: BTreeMap<String, Located<String>>,
    /// Bytes of text and substituted values that may still come.
    left: usize,
    /// The files being read, outermost first.
    files: Vec<PathBuf>,
    imports: Vec<Located<String>>,
}

impl Parser<'_> {
    /// Parses one file into `outer`, which lies `depth` sections deep.
    fn file(&mut self, bytes: &[u8], start: &Position, outer: &mut Section, depth: usize) -> Result<()> {
        self.spend(bytes.len(), start)?;
        self.files.push(start.file.to_path_buf());
        let mut open: Vec<Section> = Vec::new();
        // Windows editors put a byte order mark first.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        for (number, line) in (1u32..).zip(bytes.split(|byte| *byte == b'\n')) {
            let at = start.at(number);
            let line = std::str::from_utf8(line).map_err(|_| at.says(Fault::NotText))?.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let inside = depth + open.len();
            let current = open.last_mut().unwrap_or(outer);
            if let Some(rest) = line.strip_prefix("</") {
                let kind = rest.strip_suffix('>').ok_or_else(|| at.says(Fault::MalformedEnd))?;
                let ended = end(open.pop(), kind.trim_end(), &at)?;
                open.last_mut().unwrap_or(outer).sections.push(ended);
            } else if let Some(rest) = line.strip_prefix('<') {
                let rest = rest.strip_suffix('>').ok_or_else(|| at.says(Fault::MalformedSection))?;
                if inside == MAX_DEPTH {
                    return Err(at.says(Fault::TooDeep));
                }
                let header = rest.strip_suffix('/').unwrap_or(rest);
                let started = start_of(header, &at)?;
                if header.len() < rest.len() {
                    current.sections.push(started);
                } else {
                    open.push(started);
                }
            } else if let Some(rest) = line.strip_prefix('%') {
                let (name, argument) = word(rest).ok_or_else(|| at.says(Fault::MalformedDirective))?;
                self.directive(name, argument, &at, current, inside)?;
            } else {
                let (name, value) = word(line).ok_or_else(|| at.says(Fault::MalformedKey))?;
                let value = self.substituted(value, &at)?;
                current.keys.push(Key { name: name.to_lowercase(), value, at });
            }
        }
        self.files.pop();
        match open.pop() {
            Some(section) => Err(section.at.says(Fault::Unclosed(section.kind))),
            None => Ok(()),
        }
    }

    fn directive(
        &mut self,
        name: &str,
        argument: &str,
        at: &Position,
        current: &mut Section,
        depth: usize,
    ) -> Result<()> {
        let given = |directive| {
            if argument.is_empty() { Err(at.says(Fault::MissingArgument(directive))) } else { Ok(()) }
        };
        match name {
            "define" => given("define").and_then(|()| self.define(argument, at)),
            "include" => {
                given("include")?;
                let path = self.substituted(argument, at)?;
                self.include(&path, at, current, depth)
            }
            "import" => {
                given("import")?;
                let package = self.substituted(argument, at)?;
                if !KNOWN_PACKAGES.contains(&package.as_str()) {
                    return Err(at.says(Fault::UnknownPackage(package)));
                }
                self.imports.push(at.says(package));
                Ok(())
            }
            _ => Err(at.says(Fault::UnknownDirective(name.to_owned()))),
        }
    }

    fn define(&mut self, argument: &str, at: &Position) -> Result<()> {
        let (name, value) = argument.split_once(char::is_whitespace).unwrap_or((argument, ""));
        if !is_name(name) {
            return Err(at.says(Fault::NotAName(name.to_owned())));
        }
        let value = self.substituted(value.trim_start(), at)?;
        match self.defines.get(&name.to_ascii_lowercase()) {
            Some(known) if known.what != value => Err(at.says(Fault::Redefined(name.to_owned()))),
            Some(_) => Ok(()),
            None => {
                self.defines.insert(name.to_ascii_lowercase(), at.says(value));
                Ok(())
            }
        }
    }

    fn include(&mut self, target: &str, at: &Position, current: &mut Section, depth: usize) -> Result<()> {
        let target = target.strip_prefix("file://").unwrap_or(target);
        if target.contains("://") || target.starts_with("package:") {
            return Err(at.says(Fault::NotAFile(target.to_owned())));
        }
        let path = at.file.parent().unwrap_or(Path::new("")).join(target);
        if self.files.contains(&path) {
            return Err(at.says(Fault::Cycle(path)));
        }
        // A cycle through `..` or a symbolic link has ever new names; it ends here.
        if self.files.len() > MAX_INCLUDES {
            return Err(at.says(Fault::TooManyIncludes));
        }
        let bytes = self
            .host
            .read(&path)
            .map_err(|why| at.says(Fault::NotIncluded { path: path.clone(), why: why.to_string() }))?;
        self.file(&bytes, &Position { file: Arc::from(path), line: 0 }, current, depth)
    }

    /// Substituted values count against the bound too: twenty lines of `%define b $a$a` would unfold to a megabyte.
    fn substituted(&mut self, text: &str, at: &Position) -> Result<String> {
        let defined = |name: &str| self.defines.get(name).map(|value| value.what.clone());
        let value = substitute(text, self.left, defined, |name| self.host.variable(name))
            .map_err(|why| at.says(Fault::Substitution(why)))?;
        self.spend(value.len().saturating_sub(text.len()), at)?;
        Ok(value)
    }

    fn spend(&mut self, bytes: usize, at: &Position) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| at.says(Fault::TooLarge))?;
        Ok(())
    }
}

/// The section that `header`, the text between `<` and `>`, starts.
fn start_of(header: &str, at: &Position) -> Result<Section> {
    let words: Vec<&str> = header.split_whitespace().collect();
    let (kind, name) = match words[..] {
        [kind] => (kind, None),
        [kind, name] => (kind, Some(name.to_lowercase())),
        _ => return Err(at.says(Fault::MalformedSection)),
    };
    // A bracket in the type is a second section in the same line.
    if header.starts_with(char::is_whitespace) || header.contains(['(', ')']) || kind.contains(['<', '>']) {
        return Err(at.says(Fault::MalformedSection));
    }
    Ok(section(&kind.to_lowercase(), name, at.clone()))
}

/// The section that `</kind>` ends.
fn end(open: Option<Section>, kind: &str, at: &Position) -> Result<Section> {
    match open {
        None => Err(at.says(Fault::UnexpectedEnd(kind.to_owned()))),
        Some(section) if section.kind == kind.to_lowercase() => Ok(section),
        Some(Section { kind: open, at: start, .. }) => {
            Err(at.says(Fault::Unbalanced { found: kind.to_owned(), open, line: start.line }))
        }
    }
}

/// The first word of a line and the rest. A parenthesis ends a word; a line may not start with one.
fn word(line: &str) -> Option<(&str, &str)> {
    let length = line.find(|c: char| c.is_whitespace() || c == '(' || c == ')').unwrap_or(line.len());
    let (word, rest) = line.split_at(length);
    (!word.is_empty()).then_some((word, rest.trim_start()))
}
