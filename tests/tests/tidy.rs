//! What reviewers would otherwise have to look for: lengths, layers, dead files, leftovers.
//!
//! Each check is a function over texts, so that it is itself tested, on texts with the fault it looks for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use zeolith_tests::workspace;

/// The members and which other members each may depend on, for any purpose. A new member takes its place here.
const ARROWS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("sim", &["core"]),
    ("net", &["core"]),
    ("cli", &["core", "net", "sim"]),
    ("tests", &["core", "net", "sim", "cli"]),
];

/// The longest a source file may be.
const LINES: usize = 600;

/// What must not be left in a source; written in two parts, so that this file does not contain them.
const LEFTOVERS: &[(&str, &str)] = &[("to", "do!"), ("unimple", "mented!"), ("#[ign", "ore"), ("db", "g!(")];

/// What a pure machine does not name.
const IMPURE: &[&str] = &["std::fs", "std::net", "std::thread", "tokio"];

#[test]
fn no_source_is_longer_than_600_lines() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LINES, "{} has {lines} lines: what are the thoughts in it?", path.display());
    }
}

#[test]
fn nothing_is_left_unfinished() {
    for (path, text) in sources() {
        assert_eq!(leftovers(&text), Vec::<String>::new(), "in {}", path.display());
    }
}

#[test]
fn the_core_is_pure() {
    for (path, text) in sources() {
        if path.starts_with(workspace().join("core/src")) {
            assert_eq!(impurities(&text), Vec::<String>::new(), "in {}", path.display());
        }
    }
}

#[test]
fn every_source_belongs_to_a_crate() {
    let sources: BTreeSet<PathBuf> = sources().into_iter().map(|(path, _)| path).collect();
    let mut reached = BTreeSet::new();
    for root in sources.iter().filter(|path| is_root(path)) {
        reach(root, &mut reached);
    }
    let dead: Vec<_> = sources.difference(&reached).collect();
    assert!(dead.is_empty(), "no mod leads to {dead:?}");
}

#[test]
fn the_arrows_between_the_crates_hold() {
    let manifest = read(&workspace().join("Cargo.toml"));
    let known: BTreeSet<&str> = ARROWS.iter().map(|&(member, _)| member).collect();
    assert_eq!(members(&manifest), known, "the members of the workspace");
    for (member, allowed) in ARROWS {
        let manifest = read(&workspace().join(member).join("Cargo.toml"));
        // A member may enable features of its own for its tests.
        let fits = |other: &str| other == *member || allowed.contains(&other);
        let wrong: Vec<_> = dependencies(&manifest).into_iter().filter(|other| !fits(other)).collect();
        assert!(wrong.is_empty(), "{member} must not depend on {wrong:?}");
    }
}

#[test]
fn no_two_coverage_marks_have_one_name() {
    let mut names = BTreeSet::new();
    for (path, text) in sources() {
        // The macro's own tests use it as they like.
        if path.starts_with(workspace().join("core/src")) && !path.ends_with("mark.rs") {
            for name in marks(&text) {
                assert!(names.insert(name.clone()), "two marks are called '{name}'");
            }
        }
    }
    assert!(names.len() > 30, "only {} marks", names.len());
}

#[test]
fn every_package_of_the_peers_is_pinned() {
    let requirements = read(&workspace().join("tests/python/requirements.txt"));
    let packages: Vec<_> = requirements.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(packages.iter().all(|line| line.contains("==")), "not pinned: {packages:?}");
    for pinned in ["ZEO==6.2", "ZODB==6.4", "BTrees==", "msgpack==", "uvloop=="] {
        assert!(packages.iter().any(|line| line.starts_with(pinned)), "{pinned} is missing");
    }
}

/// Every Rust source of the workspace's members.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ARROWS.iter().map(|(member, _)| workspace().join(member)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the workspace is readable") {
            let path = entry.expect("the workspace is readable").path();
            // A nested target belongs to cargo.
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), read(&path)));
            }
        }
    }
    assert!(found.len() > 20, "only {} sources: is this the workspace?", found.len());
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines that say something to the compiler.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with("//"))
}

fn leftovers(text: &str) -> Vec<String> {
    let words: Vec<String> = LEFTOVERS.iter().map(|(one, two)| format!("{one}{two}")).collect();
    code(text).filter(|line| words.iter().any(|word| line.contains(word))).map(str::to_owned).collect()
}

fn impurities(text: &str) -> Vec<String> {
    // Groups such as `use std::{fs, mem}` are taken apart by their first path, which rustfmt keeps on the line.
    let grouped = |line: &str, path: &str| {
        path.split_once("::").is_some_and(|(krate, module)| {
            line.contains(&format!("{krate}::{{"))
                && line
                    .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                    .any(|word| word == module)
        })
    };
    code(text)
        .filter(|line| IMPURE.iter().any(|path| line.contains(path) || grouped(line, path)))
        .map(str::to_owned)
        .collect()
}

/// The names of the coverage marks in a source.
fn marks(text: &str) -> Vec<String> {
    let calls = code(text).filter_map(|line| line.split_once("mark!(\"").map(|(_, rest)| rest));
    calls.filter_map(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned()).collect()
}

/// Whether cargo itself finds this file: a library, a binary, a test, a build script.
fn is_root(path: &Path) -> bool {
    let path = path.strip_prefix(workspace()).expect("a source of the workspace");
    let parts: Vec<&str> = path.iter().map(|part| part.to_str().expect("plain names")).collect();
    match parts[1..] {
        ["build.rs"] | ["src", "lib.rs" | "main.rs"] => true,
        ["src", "bin", _] | ["src", "bin", _, "main.rs"] => true,
        ["tests" | "benches" | "examples", _] => true,
        ["tests" | "benches" | "examples", _, "main.rs"] => true,
        // Fuzz targets are named one by one in a manifest of their own.
        ["fuzz", "fuzz_targets", _] => true,
        _ => false,
    }
}

/// Follows the mod declarations from a file.
fn reach(path: &Path, reached: &mut BTreeSet<PathBuf>) {
    if !path.exists() || !reached.insert(path.to_path_buf()) {
        return;
    }
    let folder = path.parent().expect("a file has a folder");
    let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("plain names");
    let own = if is_root(path) || stem == "mod" { folder.to_path_buf() } else { folder.join(stem) };
    for module in modules(&read(path)) {
        match module {
            Module::Named(name) => {
                reach(&own.join(format!("{name}.rs")), reached);
                reach(&own.join(&name).join("mod.rs"), reached);
            }
            Module::Path(at) => reach(&folder.join(at), reached),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Module {
    Named(String),
    Path(String),
}

/// The modules that a source declares to be in files of their own.
fn modules(text: &str) -> Vec<Module> {
    let mut found = Vec::new();
    let mut at = None;
    for line in code(text) {
        if let Some(path) = line.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
            at = Some(path.to_owned());
            continue;
        }
        let declared = line.strip_suffix(';').and_then(|line| {
            let name =
                line.strip_prefix("mod ").or_else(|| line.split_once(" mod ").map(|(_, name)| name))?;
            (line.starts_with("mod ") || line.starts_with("pub")).then(|| name.to_owned())
        });
        if let Some(name) = declared {
            found.push(at.take().map_or(Module::Named(name), Module::Path));
        } else if !line.starts_with("#[") {
            at = None;
        }
    }
    found
}

fn members(manifest: &str) -> BTreeSet<&str> {
    let line = manifest.lines().find_map(|line| line.strip_prefix("members = [")).expect("a list of members");
    line.trim_end_matches(']').split(',').map(|name| name.trim().trim_matches('"')).collect()
}

/// The members that a manifest depends on, in whatever kind of dependencies and form.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut within = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            within = section.ends_with("dependencies");
            if let Some((_, name)) = section.split_once("dependencies.") {
                found.push(name.trim_matches('"').to_owned());
            }
        } else if within && !line.starts_with('#') && line.contains('=') {
            // A renamed dependency names its package to the right.
            let (left, right) = line.split_once('=').expect("just seen");
            let name = right.split_once("package = \"").map_or(left, |(_, rest)| rest);
            found.push(name.trim().split(['.', '"', ' ']).next().expect("a name").to_owned());
        }
    }
    found.iter().filter_map(|name| name.strip_prefix("zeolith-")).map(str::to_owned).collect()
}

#[test]
fn leftovers_are_seen_in_code_alone() {
    let (word, rest) = LEFTOVERS[0];
    assert_eq!(leftovers(&format!("fn f() {{\n    {word}{rest}()\n}}\n")).len(), 1);
    assert_eq!(leftovers(&format!("// {word}{rest} is never left\n")).len(), 0);
}

#[test]
fn impurities_are_seen_in_every_form() {
    let impure = "use std::fs::File;\nuse std::{fs, mem};\nstd::thread::spawn(f);\nuse tokio::net;\n";
    assert_eq!(impurities(impure).len(), 4);
    assert_eq!(
        impurities("use std::{fmt, mem};\n// not std::fs\nlet offset = std::mem::size_of::<u8>();\n").len(),
        0
    );
}

#[test]
fn marks_are_seen_wherever_they_stand() {
    let text = "    mark!(\"a vote waits\");\n    None => mark!(\"it does not\"),\n// mark!(\"not this\");\n";
    assert_eq!(marks(text), ["a vote waits", "it does not"]);
}

#[test]
fn modules_are_seen_in_every_form() {
    let named = |name: &str| Module::Named(name.to_owned());
    let text = "mod a;\npub mod b;\npub(crate) mod c;\n#[cfg(test)]\nmod tests;\nmod inline {\n}\n// mod d;\n\
                #[cfg(test)]\n#[path = \"other.rs\"]\nmod e;\nlet x = model;\n";
    let expected = [named("a"), named("b"), named("c"), named("tests"), Module::Path("other.rs".to_owned())];
    assert_eq!(modules(text), expected);
}

#[test]
fn dependencies_are_seen_in_every_form() {
    let manifest = "[package]\nname = \"zeolith-core\"\n[dependencies]\nbytes = \"1\"\nzeolith-net.workspace = true\n\
                    sim = { path = \"../sim\", package = \"zeolith-sim\" }\n[dev-dependencies.zeolith-cli]\npath = \"x\"\n\
                    [build-dependencies]\nzeolith-tests = { path = \"../tests\" }\n[features]\nzeolith-core = []\n";
    assert_eq!(dependencies(manifest), ["net", "sim", "cli", "tests"]);
}
