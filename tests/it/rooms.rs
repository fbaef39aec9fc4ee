//! The house stays as it was drawn: which room uses which, who may name which crate, how long a file may be.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The rooms, lowest floor first: each uses only those before it.
const ROOMS: [&str; 17] = [
    "domain",
    "durable",
    "http",
    "seal",
    "config",
    "transfer_log",
    "ledger",
    "metrics",
    "register",
    "lists",
    "documents",
    "dropbox",
    "exchange",
    "sftp",
    "daemon",
    "console",
    "cli",
];

/// Crates that a single room may name, so that changing one changes one room.
const OWNERS: [(&str, &str); 11] = [
    ("age", "seal"),
    ("russh", "sftp"),
    ("russh_sftp", "sftp"),
    ("rusqlite", "ledger"),
    ("lettre", "daemon"),
    ("landlock", "daemon"),
    ("ratatui", "cli"),
    ("anyhow", "cli"),
    ("hyper", "http"),
    ("prometheus_client", "metrics"),
    ("maud", "console"),
];

/// A file of which the code, its own tests apart, is longer says why in its header.
const LONG: usize = 400;
/// No file is longer, tests included.
const TOO_LONG: usize = 600;
const MAIN_AT_MOST: usize = 100;

/// What a header says of a long file: that its lines are better kept together.
const REASON: &str = "in one file";

struct Source {
    path: PathBuf,
    room: String,
    text: String,
    /// Without comments.
    code: String,
}

#[test]
fn each_room_uses_only_rooms_below_it() {
    let mut faults = Vec::new();
    for source in sources() {
        let Some(own) = floor(&source.room) else { continue };
        for used in rooms_named(&source.code) {
            let Some(used_floor) = floor(&used) else {
                faults.push(format!("{}: crate::{used} is no room", source.path.display()));
                continue;
            };
            if used_floor > own {
                faults.push(format!("{}: {} uses {used}, above it", source.path.display(), source.room));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_directory_is_a_room_of_the_table() {
    let mut found: Vec<String> = sources().into_iter().map(|source| source.room).filter(|room| room != "src").collect();
    found.sort();
    found.dedup();
    let mut rooms = ROOMS;
    rooms.sort_unstable();
    assert_eq!(found, rooms);
}

#[test]
fn a_crate_is_named_by_its_own_room_only() {
    let mut faults = Vec::new();
    for source in sources() {
        for (name, owner) in OWNERS {
            if source.room != owner && names_crate(&source.code, name) {
                faults.push(format!("{}: {name}:: belongs to {owner}", source.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_are_short_or_say_why_not() {
    let mut faults = Vec::new();
    for source in sources() {
        let path = source.path.display();
        let lines = source.text.lines().count();
        let code = source.text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        let header: Vec<&str> = source.text.lines().take_while(|line| line.starts_with("//!")).collect();
        if header.is_empty() {
            faults.push(format!("{path}: does not open with its purpose"));
        }
        if lines > TOO_LONG {
            faults.push(format!("{path}: {lines} lines"));
        } else if code > LONG && !source.path.ends_with("tests.rs") && !header.join(" ").contains(REASON) {
            faults.push(format!("{path}: {code} lines of code, and the header does not say why they are {REASON}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let main = fs::read_to_string(root().join("src/main.rs")).unwrap();
    assert!(main.lines().count() < MAIN_AT_MOST);
}

#[test]
fn names_of_rooms_are_found_however_they_are_written() {
    let code = "use crate::{\n    domain::{Niss, a::B},\n    lists::{self, List},\n    seal,\n};\n\
                use crate::ledger::Ledger;\nfn f() { crate::sftp::x(); mycrate::no(); }";
    assert_eq!(rooms_named(code), ["domain", "lists", "seal", "ledger", "sftp"]);
    assert!(names_crate("use age::x25519;", "age") && names_crate("f(age::Identity)", "age"));
    assert!(!names_crate("storage::age::x", "age") && !names_crate("use storage::x;", "age"));
    assert_eq!(without_comments("a // crate::b\n//! crate::c\nd \"http://e\""), "a \n\nd \"http://e\"\n");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn floor(room: &str) -> Option<usize> {
    ROOMS.iter().position(|name| *name == room)
}

/// Every source file below `src`, with its room; `src` itself for those at the top.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut directories = vec![root().join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(root().join("src")).unwrap();
                let room = inside.parent().unwrap().iter().next().map(|room| room.to_string_lossy().into_owned());
                let text = fs::read_to_string(&path).unwrap();
                let code = without_comments(&text);
                found.push(Source { room: room.unwrap_or_else(|| "src".to_owned()), path, text, code });
            }
        }
    }
    assert!(found.len() > ROOMS.len(), "no sources below {}", root().display());
    found
}

/// Takes line comments away; `//` within a text, as in an address, stays.
fn without_comments(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        let mut starts = line.match_indices("//").map(|(at, _)| at);
        let comment = starts.find(|at| line[..*at].matches('"').count() % 2 == 0);
        code.push_str(&line[..comment.unwrap_or(line.len())]);
        code.push('\n');
    }
    code
}

/// The first names after each `crate::`, those of a group too.
fn rooms_named(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(is_identifier) {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(first_names(group)),
            None => found.push(rest.chars().take_while(|character| is_identifier(*character)).collect()),
        }
    }
    found
}

/// The names at the top of a group, up to its closing brace.
fn first_names(group: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut depth = 0;
    let mut within_name = true;
    for character in group.chars() {
        match character {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(String::new());
                within_name = true;
            }
            _ if depth > 0 || character.is_whitespace() => {}
            _ if within_name && is_identifier(character) => names.last_mut().unwrap().push(character),
            _ => within_name = false,
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        before.is_none_or(|character| !is_identifier(character) && character != ':')
    })
}

fn is_identifier(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}
