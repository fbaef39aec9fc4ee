//! Paths and names as clients send them: no spelling leaves the tree, and each has one form.

#![no_main]

use groeikluis::{
    domain::{
        VirtualPath, niss,
        path::{LONGEST_NAME_BYTES, LONGEST_PATH_BYTES},
    },
    dropbox::{ListName, is_temporary},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(path) = VirtualPath::parse(input) else { return };
    let form = path.as_str();
    assert!(form.starts_with('/') && form.len() <= LONGEST_PATH_BYTES + 1);
    assert!(!form.chars().any(char::is_control));
    for part in path.parts() {
        assert!(part != "." && part != ".." && !part.is_empty() && part.len() <= LONGEST_NAME_BYTES);
    }
    assert_eq!(VirtualPath::parse(form.as_bytes()).as_ref(), Ok(&path), "a form is its own form");
    assert!(path.parent().as_str().len() <= form.len());
    if let Some(name) = path.name() {
        let list = ListName::parse(name);
        assert!(list.is_none_or(|list| name.to_lowercase().starts_with(&list.bare)));
        let _ = is_temporary(name);
        let _ = niss::find_in(name);
    }
});
