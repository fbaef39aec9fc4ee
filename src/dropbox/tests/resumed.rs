//! Uploads that are gone on with: what a stop or a fault leaves of them.

use std::sync::Arc;

use super::{ANEW, BUDGET, RESUME, Scene, open, size, write};
use crate::{
    domain::VirtualPath,
    dropbox::{
        inbox, record,
        view::{Denied, DropBox},
    },
    transfer_log::{Event, entries},
};

/// A closed upload under a temporary name, and what its record on disk says of it.
fn closed_under_temporary_name(scene: &Scene) -> (Arc<dyn DropBox>, VirtualPath, impl Fn() -> serde_json::Value) {
    let (session, path) = (scene.session("one"), VirtualPath::parse(b"/inbox/x.csv.part").unwrap());
    let mut upload = session.upload(&path, ANEW).unwrap();
    write(&mut *upload, 0, b"niss\n123").unwrap();
    upload.finish().unwrap();
    let directory = scene.place.path("state/uploads/bree");
    let record = move || {
        let mut names = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
        let record = names.find(|path| path.extension().is_some_and(|ending| ending == "json")).unwrap();
        serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap()
    };
    (session, path, record)
}

#[test]
fn a_closed_upload_that_is_written_again_is_open_on_disk_before_it_changes() {
    let scene = Scene::set();
    let (session, path, record) = closed_under_temporary_name(&scene);
    let mut upload = session.upload(&path, RESUME).unwrap();
    assert_eq!(record()["closed"], true);
    write(&mut *upload, 8, b"4").unwrap();
    assert_eq!((&record()["closed"], &record()["size"]), (&false.into(), &8.into()), "while it is written");
    drop(upload);
    assert_eq!((&record()["closed"], &record()["size"]), (&false.into(), &9.into()));
}

#[test]
fn a_record_tells_of_the_content_that_is_there_when_it_cannot_be_stored() {
    let scene = Scene::set();
    let (session, path, record) = closed_under_temporary_name(&scene);
    let id = record()["id"].as_str().unwrap().to_owned();
    let in_the_way = scene.place.path(&format!("state/uploads/bree/.{id}.data.new"));
    std::fs::create_dir(&in_the_way).unwrap();
    let mut upload = session.upload(&path, RESUME).unwrap();
    write(&mut *upload, 8, b"456").unwrap();
    assert_eq!(upload.finish(), Err(Denied::Unavailable));
    assert_eq!((&record()["closed"], &record()["size"]), (&false.into(), &8.into()));
    std::fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(session.upload(&path, RESUME).unwrap().attributes().unwrap().size, 8);
}

/// A fault of this side costs a tenant nothing of what it has sent.
#[test]
fn what_was_kept_before_stays_when_the_disk_takes_no_record_of_a_change() {
    let scene = Scene::set();
    let (session, path, record) = closed_under_temporary_name(&scene);
    let id = record()["id"].as_str().unwrap().to_owned();
    let in_the_way = scene.place.path(&format!("state/uploads/bree/.{id}.json.new"));
    let resumed = || session.upload(&path, RESUME).unwrap();
    // It cannot be called unfinished, and so nothing is added.
    std::fs::create_dir(&in_the_way).unwrap();
    for is_closed in [false, true] {
        let mut upload = resumed();
        for _ in 0..2 {
            assert_eq!(write(&mut *upload, 8, b"456"), Err(Denied::Unavailable));
        }
        if is_closed {
            assert_eq!(upload.finish(), Err(Denied::Unavailable));
        } else {
            drop(upload);
        }
        assert_eq!((resumed().attributes().unwrap().size, &record()["closed"]), (8, &true.into()));
    }
    std::fs::remove_dir(&in_the_way).unwrap();
    let mut upload = resumed();
    write(&mut *upload, 8, b"456").unwrap();
    drop(upload);
    // What comes more cannot be recorded when it breaks off, nor when it is closed.
    std::fs::create_dir(&in_the_way).unwrap();
    let mut upload = resumed();
    write(&mut *upload, 11, b"78").unwrap();
    drop(upload);
    let mut upload = resumed();
    assert_eq!(upload.attributes().unwrap().size, 13);
    write(&mut *upload, 13, b"9").unwrap();
    assert_eq!(upload.finish(), Err(Denied::Unavailable));
    std::fs::remove_dir(&in_the_way).unwrap();
    let mut upload = resumed();
    assert_eq!(upload.attributes().unwrap().size, 14);
    write(&mut *upload, 14, b"\n").unwrap();
    upload.finish().unwrap();
    session.rename(&path, &VirtualPath::parse(b"/inbox/x.csv").unwrap(), false).unwrap();
    assert_eq!(scene.received(), [b"niss\n123456789\n"]);
}

#[test]
fn what_came_before_there_was_no_more_room_stays() {
    const MIB: usize = 1 << 20;
    for beginning in [&b"niss\n"[..], b"age-encryption.org/v1\n"] {
        let scene = Scene::set();
        let session = scene.session("one");
        let mut upload = open(&session, ANEW);
        write(&mut *upload, 0, beginning).unwrap();
        drop(upload);
        for name in ["y", "z"] {
            let path = VirtualPath::parse(format!("/inbox/{name}.csv.part").as_bytes()).unwrap();
            let mut upload = session.upload(&path, ANEW).unwrap();
            write(&mut *upload, 0, &vec![b'1'; 4 * MIB]).unwrap();
            upload.finish().unwrap();
        }
        let mut upload = open(&session, RESUME);
        let from = beginning.len() as u64;
        write(&mut *upload, from, &vec![b'2'; MIB / 2]).unwrap();
        let refused = write(&mut *upload, from + MIB as u64 / 2, &vec![b'2'; MIB]);
        assert!(matches!(&refused, Err(Denied::Limit(text)) if text.contains("geen plaats")), "{refused:?}");
        assert!(upload.finish().is_err());
        assert_eq!(size(&session), Some(from + MIB as u64 / 2));
        assert_eq!(open(&session, RESUME).attributes().unwrap().size, from + MIB as u64 / 2);
    }
}

#[test]
fn what_was_kept_before_is_in_the_log_when_it_goes_with_what_came_since() {
    let scene = Scene::set();
    let (session, path, record) = closed_under_temporary_name(&scene);
    let id = record()["id"].as_str().unwrap().to_owned();
    let mut upload = session.upload(&path, RESUME).unwrap();
    assert!(write(&mut *upload, BUDGET, b"too far").is_err());
    drop(upload);
    assert!(session.attributes(&path).is_err());
    let last = entries(&scene.place.dir()).unwrap().last().unwrap().unwrap();
    assert_eq!((last.event, last.context.correlation), (Event::Delete {}, Some(id)));
}

/// Closed and confirmed, gone on with and closed again, and then the power went before the log had that.
#[test]
fn a_close_that_the_log_does_not_have_is_not_one_whatever_was_closed_before() {
    let scene = Scene::set();
    let (session, path, record) = closed_under_temporary_name(&scene);
    drop(session);
    let mut later = record();
    (later["size"], later["stored_sha256"]) = (9.into(), "00".repeat(32).into());
    let known = |value: &serde_json::Value| {
        let record: record::Record = serde_json::from_value(value.clone()).unwrap();
        scene.boxes.known(&record).unwrap()
    };
    assert_eq!(known(&record()), inbox::Known::Unfinished);
    assert_eq!(known(&later), inbox::Known::Nothing);
    assert!(scene.session("two").attributes(&path).is_ok());
}
