//! What packages carry beside the program: man pages and completions, judged by the programs that read them.

use std::{fs, process::Command};

use crate::{clients::program::skip, support::run};

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
