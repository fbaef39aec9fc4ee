//! Uploads whose disk fails, or the log's.

use rustix::io::Errno;

use super::{ANEW, RESUME, Scene, size, write};
use crate::{
    domain::VirtualPath,
    dropbox::view::{Denied, UploadMode},
    durable::disk::faults::{self, Failure},
    ledger::{Ledger, SubmissionState},
};

const SEALED: &[u8] = b"age-encryption.org/v1\n";

#[test]
fn what_the_disk_has_lost_is_confirmed_by_no_close() {
    let scene = Scene::set();
    let (session, path) = (scene.session("one"), VirtualPath::parse(b"/inbox/x.csv").unwrap());
    let mut upload = session.upload(&path, ANEW).unwrap();
    write(&mut *upload, 0, SEALED).unwrap();
    drop(upload);
    let uploads = scene.place.path("state/uploads/bree");
    let mut names = std::fs::read_dir(&uploads).unwrap().map(|entry| entry.unwrap().path());
    let content = names.find(|path| path.extension().is_some_and(|ending| ending == "data")).unwrap();
    for is_closed in [false, true] {
        let mut upload = session.upload(&path, RESUME).unwrap();
        write(&mut *upload, SEALED.len() as u64, b"more").unwrap();
        faults::plan(&content, Some((0, Failure::Lost(Errno::IO))));
        assert_eq!(upload.sync(), Err(Denied::Unavailable));
        assert_eq!(upload.sync(), Err(Denied::Unavailable), "the kernel tells it once");
        assert_eq!(faults::end(&content), 1);
        assert_eq!(write(&mut *upload, 0, b"x"), Err(Denied::Unavailable));
        if is_closed {
            assert_eq!(upload.finish(), Err(Denied::Unavailable));
        } else {
            drop(upload);
        }
        assert_eq!(size(&session), Some(SEALED.len() as u64), "what was kept before");
    }
}

#[test]
fn after_a_fault_of_the_log_a_list_waits_where_the_log_has_it_and_nowhere_else() {
    let path = VirtualPath::parse(b"/inbox/x.csv").unwrap();
    let send = |scene: &Scene| {
        let mut upload = scene.session("one").upload(&path, ANEW).unwrap();
        write(&mut *upload, 0, b"niss\n123\n").unwrap();
        upload.finish()
    };
    let scene = Scene::set();
    faults::plan(&scene.place.dir(), None);
    send(&scene).unwrap();
    let calls = faults::end(&scene.place.dir());
    let (mut unconfirmed, mut waits) = (0, 0);
    for (at, failure) in
        (0..calls).flat_map(|at| [(at, Failure::Lost(Errno::IO)), (at, Failure::DoneButReportedLost(Errno::IO))])
    {
        let scene = Scene::set();
        faults::plan(&scene.place.dir(), Some((at, failure)));
        let sent = send(&scene);
        faults::end(&scene.place.dir());
        let tenant = scene.around.tenant.id.clone();
        let scene = scene.again();
        let rows = scene.ledger.submissions(&tenant, 10).unwrap();
        let known = rows.iter().filter(|row| row.state == SubmissionState::Waiting).count();
        let waiting = scene.boxes.waiting(&tenant).unwrap().len();
        assert_eq!(waiting, known, "call {at} of {calls}, {failure:?}");
        assert!(sent.is_err() || waiting == 1);
        unconfirmed += usize::from(sent.is_err());
        waits += usize::from(sent.is_err() && waiting == 1);
    }
    assert!(unconfirmed > 0 && waits > 0, "{unconfirmed} of {calls} calls, {waits} in the log all the same");
}

#[test]
fn a_sealed_upload_that_was_lengthened_first_is_kept_when_it_breaks_off() {
    let scene = Scene::set();
    let (session, path) = (scene.session("one"), VirtualPath::parse(b"/inbox/x.csv").unwrap());
    let mut upload = session.upload(&path, UploadMode { exclusive: true, ..ANEW }).unwrap();
    upload.set_length(1 << 20).unwrap();
    write(&mut *upload, 0, SEALED).unwrap();
    drop(upload);
    assert_eq!(size(&session), Some(1 << 20));
    assert_eq!(session.upload(&path, RESUME).unwrap().attributes().unwrap().size, 1 << 20);
}

/// What nobody can go on with takes no room.
#[test]
fn nothing_stays_of_an_upload_that_could_not_be_stored() {
    let scene = Scene::set();
    let (session, path) = (scene.session("one"), VirtualPath::parse(b"/inbox/x.csv").unwrap());
    let uploads = scene.place.path("state/uploads/bree");
    let mut upload = session.upload(&path, ANEW).unwrap();
    write(&mut *upload, 0, SEALED).unwrap();
    let content = std::fs::read_dir(&uploads).unwrap().next().unwrap().unwrap().path();
    let id = content.file_stem().unwrap().to_str().unwrap();
    std::fs::create_dir(uploads.join(format!(".{id}.json.new"))).unwrap();
    drop(upload);
    assert!(!content.exists() && size(&session).is_none());
    assert_eq!(session.space().free, session.space().total);
}
