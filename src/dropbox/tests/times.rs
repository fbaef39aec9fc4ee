//! The times that listings show of uploads.

use jiff::{SignedDuration, Timestamp};

use super::{ANEW, RESUME, Scene, open, write};
use crate::domain::VirtualPath;

#[test]
fn an_upload_is_of_when_it_was_last_written_or_as_its_client_says() {
    let scene = Scene::set();
    let (session, path) = (scene.session("one"), VirtualPath::parse(b"/inbox/x.csv").unwrap());
    let modified = || session.attributes(&path).unwrap().modified;
    let long_ago = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24);
    let mut upload = open(&session, ANEW);
    write(&mut *upload, 0, b"niss\n").unwrap();
    // By its path, as the kernel does for sshfs.
    session.set_modified(&path, long_ago).unwrap();
    drop(upload);
    assert_eq!(modified(), long_ago);
    let mut upload = open(&session, RESUME);
    write(&mut *upload, 5, b"123\n").unwrap();
    let written = modified();
    assert!(written > long_ago);
    upload.finish().unwrap();
    assert_eq!(modified(), written, "not of the first try");
    session.set_modified(&path, long_ago).unwrap();
    assert_eq!(modified(), long_ago);
}
