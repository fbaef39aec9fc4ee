//! Two locks of dependencies: the product's, and that of the fuzz targets, which are a workspace of their own.

use std::{collections::BTreeSet, fs};

/// What the fuzz targets have besides.
const OF_FUZZING: [&str; 3] = ["arbitrary", "groeikluis-fuzz", "libfuzzer-sys"];

/// The value of a line `key = "value"`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let of_line = |line: &'a str| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"');
    text.lines().find_map(of_line)
}

/// Names and versions of a lock, and the names of what the product itself needs.
fn read(path: &str) -> (BTreeSet<(String, String)>, BTreeSet<String>) {
    let text = fs::read_to_string(path).unwrap();
    let packages: Vec<&str> = text.split("[[package]]\n").skip(1).collect();
    let name_and_version =
        |package: &&str| (value(package, "name").unwrap().to_owned(), value(package, "version").unwrap().to_owned());
    let product = packages.iter().find(|package| value(package, "name") == Some("groeikluis")).unwrap();
    let needs = product.lines().filter_map(|line| line.strip_prefix(" \"")?.split(['"', ' ']).next());
    (packages.iter().map(name_and_version).collect(), needs.map(str::to_owned).collect())
}

#[test]
fn the_fuzz_targets_are_built_with_what_the_product_is_built_with() {
    let (product, _) = read("Cargo.lock");
    let (fuzz, locked) = read("tests/fuzz/Cargo.lock");
    let others: Vec<_> = fuzz.difference(&product).filter(|(name, _)| !OF_FUZZING.contains(&name.as_str())).collect();
    assert!(others.is_empty(), "copy Cargo.lock to tests/fuzz and run `cargo fetch` there: {others:?}");
    let manifest = fs::read_to_string("Cargo.toml").unwrap();
    let (_, after) = manifest.split_once("\n[dependencies]\n").unwrap();
    let (needs, _) = after.split_once("\n[").unwrap();
    let name = |line: &str| line.split_once(" = ").map(|(name, _)| name.to_owned());
    let needs: BTreeSet<_> = needs.lines().filter(|line| !line.starts_with('#')).filter_map(name).collect();
    assert_eq!(locked, needs, "tests/fuzz/Cargo.lock is older than Cargo.toml");
}
