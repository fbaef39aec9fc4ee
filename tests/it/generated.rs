//! What packages carry beside the program: man pages, completions and schemas, judged by the programs that read them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    clients::program::{Program, skip},
    support::run,
};

fn groeikluis(arguments: &[&str]) -> String {
    run(Command::new(env!("CARGO_BIN_EXE_groeikluis")).args(arguments), b"").well().stdout
}

/// Whether a program that only some machines have is missing; said so that nobody takes it for a pass.
fn lacks(program: &str) -> bool {
    let missing = Command::new(program).arg("--version").output().is_err();
    if missing {
        skip("generated files", &format!("{program} is missing"));
    }
    missing
}

#[test]
fn each_command_has_a_man_page_that_groff_takes() {
    let dir = tempfile::tempdir().unwrap();
    groeikluis(&["generate", "man", "--dir", dir.path().to_str().unwrap()]);
    let mut names: Vec<String> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    for name in ["groeikluis.1", "groeikluis-plan.1", "groeikluis-tenant-add.1", "groeikluis-audit-report.1"] {
        assert!(names.iter().any(|page| page == name), "{name}: {names:?}");
    }
    assert!(names.iter().all(|name| !name.contains("help")), "{names:?}");
    if lacks("groff") {
        return;
    }
    for name in &names {
        let ran =
            run(Command::new("groff").args(["-man", "-Kutf8", "-Tutf8", "-ww", "-z"]).arg(dir.path().join(name)), b"")
                .well();
        assert_eq!(ran.stderr, "", "{name}");
    }
}

#[test]
fn completions_are_scripts_of_their_shell() {
    for (shell, check) in [("bash", "bash"), ("zsh", "zsh"), ("fish", "fish")] {
        let script = groeikluis(&["generate", "completions", shell]);
        assert!(script.contains("tenant") && script.contains("plan"), "{shell}");
        if !lacks(check) {
            run(Command::new(check).arg("-n"), script.as_bytes()).well();
        }
    }
}

/// What messages say of a fault that is seen without knowing what a value means.
const OF_SHAPE: [&str; 12] = [
    "unknown key",
    ", not text",
    ", not a list",
    ", not a mapping",
    ", not a day",
    ", not true or false",
    ", not a whole number",
    "` is not known; ",
    "is not a day",
    "is not a kind of file",
    "has no column",
    "` is empty",
];

/// YAML that `jsonschema` finds at fault, each with its first fault; none where it is not installed.
fn at_fault(files: &[PathBuf]) -> Option<Vec<(PathBuf, String)>> {
    let python = Program::installed("generated files", "python/bin/python3")?;
    let schemas = tempfile::tempdir().unwrap();
    groeikluis(&["generate", "schema", "--dir", schemas.path().to_str().unwrap()]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/validate_schema.py");
    let mut run = python.run_in(schemas.path()).args([script, schemas.path().to_str().unwrap()]);
    run = run.args(files.iter().map(|file| file.as_os_str()));
    let ran = run.input("");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines = ran.stdout.lines().map(|line| line.split_once(": ").unwrap());
    let lines: Vec<(PathBuf, String)> = lines.map(|(path, said)| (path.into(), said.to_owned())).collect();
    assert_eq!(lines.len(), files.len());
    Some(lines.into_iter().filter(|(_, said)| said != "'ok'").collect())
}

/// The YAML files of a directory and those below it.
fn yaml_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(yaml_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn schemas_take_every_example_and_refuse_every_mistake_of_shape() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = yaml_below(&root.join("config"));
    assert!(examples.len() > 50);
    let Some(faults) = at_fault(&examples) else { return };
    assert!(faults.is_empty(), "{faults:#?}");

    // Each golden case whose message is about shape; files of one that are right may be among them.
    let laid_out = tempfile::tempdir().unwrap();
    let (mut cases, mut files) = (Vec::new(), Vec::new());
    for golden in yaml_below(&root.join("tests/golden/config")) {
        let text = fs::read_to_string(&golden).unwrap();
        let (content, expected) = text.split_once("#=== expected\n").unwrap();
        let of_shape = |line: &str| OF_SHAPE.iter().any(|part| line.contains(part)) || lacks_a_key(line);
        if !expected.lines().any(of_shape) || expected.contains("not YAML") {
            continue;
        }
        let case = laid_out.path().join(golden.file_stem().unwrap());
        for section in content.split("#=== ").skip(1) {
            let (name, yaml) = section.split_once('\n').unwrap();
            let path = case.join(name);
            if path.extension().is_some_and(|extension| extension == "yaml") {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, yaml).unwrap();
                files.push(path);
            }
        }
        cases.push(case);
    }
    assert!(cases.len() > 25, "{cases:#?}");
    let faults = at_fault(&files).unwrap();
    for case in cases {
        assert!(faults.iter().any(|(path, _)| path.starts_with(&case)), "{} has no fault", case.display());
    }
}

/// Keys that must always be there; what only some values ask for is no matter of shape.
fn lacks_a_key(line: &str) -> bool {
    let at = ["the main file has no `", "a tenant has no `", "a key has no `", "mail has no `", "a protocol has no `"];
    at.iter().any(|part| line.contains(part))
}
