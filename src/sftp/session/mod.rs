//! One SFTP session: a task of its own that takes requests from a channel and brings replies to it.
//!
//! It always waits for three things at once: bytes from the client, room for replies, and jobs. That, and a bound on
//! what it keeps, is what makes it live: the transport waits for this task to take bytes and cannot meanwhile learn
//! that the client has opened its window, so a session that waited only for room could wait for ever.
//!
//! Memory of a session, at most: what [`super::queue`] grants for requests, payload and replies that wait, two batches
//! ([`super::outbox::BATCH_BYTES`]), [`MOST_FETCHES`] × [`FETCH_BYTES`] that jobs brought from disk, as much as one of them of
//! uploads that are read back and again of hashes, the entries of as many directories as its connection may have open; in
//! the transport, eight packets of replies and sixteen of requests more. Whatever has longer replies than it has requests
//! waits for room in the outbox. A client above [`QUEUE_PAUSE`] is not read from, as long as its replies are taken. Above
//! what is granted, to its connection or to all together, nothing is read in any case until jobs have done some of it: a
//! disk may be slower than a client whose replies do not go, as while keys are renewed. The transport soon stands still
//! meanwhile, so where it is replies that must free memory, none does: the session is cut after [`PRESSED`] without a batch
//! taken.
//!
//! READs of a file that go on from one another count as one request, however many they are: they wait without memory.
//!
//! Order: requests with one handle are answered in order; requests about paths one after another, each after the
//! uploads' requests that came before it. All else may overtake, and what names a handle behind its CLOSE is refused at once.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use russh::{
    Channel, ChannelMsg, ChannelReadHalf,
    server::{Handle, Msg},
};
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until},
};

use super::{
    connection::Connection,
    ending::Ending,
    handles::{FilePlace, Handles},
    listing::Lister,
    operations::{Outcome, Scene},
    outbox::{Handed, Outbox},
    queue::Queued,
    server::Shared,
    status::text,
    upload::OpenUpload,
    wire::{Decoder, Item, LONGEST_PAYLOAD, Request},
};
use crate::dropbox::view::{Denied, Login};

mod checks;
mod gathering;
mod jobs;
mod reading;
mod requests;

use checks::{CheckOf, Checks};
pub(super) use checks::{Hashing, check_request};
use gathering::Gathering;

/// Above this nothing more is read from the client, unless replies wait for it: two megabytes keep a disk busy.
const QUEUE_PAUSE: usize = 2 << 20;

/// For each batch of replies to be taken while there is no memory for more requests: many round trips.
const PRESSED: Duration = Duration::from_secs(5);

/// What a client is told that asks on and takes no replies.
const ASKS_ON: &str = "te veel verzoeken zonder antwoorden te lezen";

/// What a waiting request counts for beside its strings.
const REQUEST_COST: usize = 128;

/// Jobs that bring cold bytes, or have brought them and are not read yet.
const MOST_FETCHES: usize = 4;

/// What one such job brings at most; the reply to one READ.
const FETCH_BYTES: usize = LONGEST_PAYLOAD as usize;

/// Entries of one NAME reply, about 20 KiB: below the longest packet whatever the names (255 bytes, twice).
const ENTRIES_PER_REPLY: usize = 100;

/// Requests that one job does before its replies go out.
const WORK_PER_JOB: usize = 64;

/// What a session begins with.
pub(super) struct Begin {
    pub(super) server: Arc<Shared>,
    pub(super) connection: Arc<Connection>,
    pub(super) login: Arc<Login>,
    pub(super) handle: Handle,
}

/// How a session ends other than by the client's closing with nothing open: with a reason to end the connection, if it
/// still stands.
type Broken = Option<Ending>;

/// What a job brings back.
enum Done {
    Paths { outcomes: Vec<(Outcome, Option<FilePlace>)>, cost: usize },
    Written { handle: u64, file: OpenUpload, replies: Vec<u8>, cost: usize, reads: usize },
    Fetched { handle: u64, offset: u64, bytes: Result<Vec<u8>, std::io::Error> },
    Checked { id: u32, of: CheckOf, hashes: Result<Vec<u8>, Denied> },
}

/// Serves one channel until it ends.
pub(super) async fn serve(channel: Channel<Msg>, begin: Begin) -> Result<(), Broken> {
    let Begin { server, connection, login, handle } = begin;
    let (boxes, who) = (Arc::clone(server.boxes()), Arc::clone(&login));
    let opened = tokio::task::spawn_blocking(move || boxes.open(&who)).await;
    let Ok(Some(drop_box)) = opened else {
        return Err(Some(Ending::AccessLost));
    };
    let lister = Lister::new(login.tenant.clone());
    let scene = Scene { drop_box: Arc::clone(&drop_box), directory: Arc::clone(server.directory()), lister };
    let id = channel.id();
    let (channel, writer) = channel.split();
    let mut session = Session {
        scene: Arc::new(scene),
        connection: Arc::clone(&connection),
        open_handles: server.limits().open_handles,
        outbox: Outbox::new(writer),
        decoder: Decoder::default(),
        handles: Handles::default(),
        ready: VecDeque::new(),
        parked: VecDeque::new(),
        fetches: 0,
        reading: None,
        paths: VecDeque::new(),
        paths_running: false,
        jobs: JoinSet::new(),
        held: VecDeque::new(),
        reading_back: 0,
        checks: Checks::new(server.hashing()),
        place: 0,
        queued: 0,
        memory: connection.queued(),
        pressed_until: None,
        writing: None,
        gathering: None,
        begun: false,
        busy: false,
    };
    let ended = session.run(channel).await;
    session.close(matches!(ended, Ok(true))).await;
    let regular = ended?;
    // Whether the client still listens does not matter any more.
    let _gone = handle.exit_status_request(id, 0).await;
    let _gone = handle.eof(id).await;
    let _gone = handle.close(id).await;
    if regular { Ok(()) } else { Err(None) }
}

/// A READ whose reply is on its way out in pieces.
struct Reading {
    handle: u64,
    offset: u64,
}

struct Session {
    scene: Arc<Scene>,
    connection: Arc<Connection>,
    open_handles: usize,
    outbox: Outbox,
    decoder: Decoder,
    handles: Handles,
    /// Readers that have something to answer.
    ready: VecDeque<u64>,
    /// Readers that wait for one of [`MOST_FETCHES`].
    parked: VecDeque<u64>,
    fetches: usize,
    reading: Option<Reading>,
    paths: VecDeque<(u64, u32, Request)>,
    paths_running: bool,
    jobs: JoinSet<Done>,
    /// Uploads of which a READ waits for room in the outbox.
    held: VecDeque<u64>,
    /// Bytes that a job is reading of an upload at most.
    reading_back: usize,
    checks: Checks,
    /// The place of the latest request in the order of all.
    place: u64,
    /// Cost of everything that waits.
    queued: usize,
    /// Memory for what waits.
    memory: Queued,
    /// While there is none: when the client is cut, unless it takes a batch of replies.
    pressed_until: Option<Instant>,
    /// The WRITE whose payload is coming: id, handle, and the offset of the next piece.
    writing: Option<(u32, u64, u64)>,
    gathering: Option<Gathering>,
    begun: bool,
    busy: bool,
}

/// What happened.
enum Event {
    Message(Option<ChannelMsg>),
    Sent(Option<(usize, Vec<Handed>)>),
    Done(Result<Done, JoinError>),
    /// What is kept back has waited long enough.
    Patience,
}

impl Session {
    /// Serves until the client closes: true when it left nothing open or unanswered. The channel is let go of then, since
    /// the transport would wait for somebody to take what still comes by it.
    async fn run(&mut self, mut channel: ChannelReadHalf) -> Result<bool, Broken> {
        let mut all_asked = false;
        let connection = Arc::clone(&self.connection);
        loop {
            self.start_paths();
            self.start_check();
            self.read_back();
            self.produce()?;
            self.outbox.start();
            let idle = self.is_idle();
            if all_asked && idle {
                return Ok(self.has_nothing_open());
            }
            self.show_busy(!idle || self.handles.len() > 0);
            // While replies wait for the client, its bytes must be taken: see above.
            let load = self.load();
            let pressed = self.is_pressed(load, idle);
            let receiving = !pressed && (self.outbox.is_sending() || load < QUEUE_PAUSE);
            if !receiving || all_asked {
                self.stop_gathering();
            }
            let (gathers_until, pressed_until) = (self.gathers_until(), self.pressed_until);
            let event = tokio::select! {
                message = channel.wait(), if receiving => Event::Message(message),
                () = connection.leaving(), if idle && self.has_nothing_open() => return Ok(true),
                sent = self.outbox.sent(), if self.outbox.is_sending() => Event::Sent(sent),
                Some(done) = self.jobs.join_next() => Event::Done(done),
                () = async { sleep_until(gathers_until.unwrap_or_else(Instant::now)).await }, if gathers_until.is_some() => {
                    Event::Patience
                }
                () = async { sleep_until(pressed_until.unwrap_or_else(Instant::now)).await }, if pressed_until.is_some() => {
                    return Err(Some(Ending::Violation(ASKS_ON)));
                }
                else => return Err(Some(Ending::Failed)),
            };
            match event {
                Event::Message(Some(ChannelMsg::Data { data })) if !all_asked => self.take(data)?,
                Event::Message(Some(ChannelMsg::Eof)) => all_asked = true,
                // Replies that the client does not wait for are no fault of it.
                Event::Message(Some(ChannelMsg::Close)) => return Ok(self.is_done() && self.has_nothing_open()),
                Event::Message(Some(_)) => {}
                // Some clients end the connection without a word (rclone, lftp): with nothing open, nothing
                // unanswered and no request cut short, that is an end like any other.
                Event::Message(None) if idle && self.has_nothing_open() => return Ok(true),
                Event::Message(None) | Event::Sent(None) => return Err(None),
                Event::Sent(Some((bytes, handed))) => self.handed_over(bytes, handed),
                Event::Patience => self.stop_gathering(),
                Event::Done(Ok(done)) => self.job_done(done)?,
                Event::Done(Err(error)) => {
                    tracing::error!(%error, "a job of an SFTP session failed");
                    return Err(Some(Ending::Failed));
                }
            }
        }
    }

    fn load(&self) -> usize {
        self.queued + self.reading_back + self.outbox.waiting()
    }

    /// Whether there is no memory for what waits. What jobs finish meanwhile gives the client no more time.
    fn is_pressed(&mut self, load: usize, idle: bool) -> bool {
        let pressed = !self.memory.follow(load, idle);
        if !pressed || !self.outbox.is_sending() {
            self.pressed_until = None;
        } else if self.pressed_until.is_none() {
            self.pressed_until = Some(Instant::now() + PRESSED);
        }
        pressed
    }

    fn is_idle(&self) -> bool {
        self.is_done() && self.outbox.is_empty()
    }

    /// Whether every request is answered, though perhaps not sent.
    fn is_done(&self) -> bool {
        self.queued == 0 && self.jobs.is_empty() && self.reading.is_none()
    }

    /// Whether no file is open and no request is cut short.
    fn has_nothing_open(&self) -> bool {
        self.handles.len() == 0 && self.decoder.is_between_packets()
    }

    fn show_busy(&mut self, busy: bool) {
        if busy != self.busy {
            self.busy = busy;
            self.connection.set_busy(busy);
        }
    }

    /// Takes bytes from the client.
    fn take(&mut self, data: Bytes) -> Result<(), Broken> {
        self.connection.received(data.len());
        self.decoder.feed(data);
        loop {
            match self.decoder.next() {
                Ok(Some(item)) => self.item(item)?,
                Ok(None) => break,
                Err(fatal) => {
                    tracing::info!(peer = %self.connection.peer, error = %fatal, "SFTP session ended");
                    return Err(Some(Ending::Violation("een SFTP-pakket is te lang of te kort")));
                }
            }
        }
        self.go_on_gathering();
        Ok(())
    }

    fn item(&mut self, item: Item) -> Result<(), Broken> {
        match item {
            Item::Request { request: Request::Init { .. }, .. } if !self.begun => {
                self.begun = true;
                self.outbox.reply().version();
            }
            Item::Request { request: Request::Init { .. }, .. } => {
                return Err(Some(Ending::Violation("INIT mag maar een keer")));
            }
            _ if !self.begun => return Err(Some(Ending::Violation("de sessie begint niet met INIT"))),
            Item::Request { id, request } => self.request(id, request),
            Item::Undecodable { id } => self.outbox.reply().undecodable(id, text::UNDECODABLE),
            Item::Write { id, handle, offset } => self.writing = Some((id, handle, offset)),
            Item::Payload { bytes, last } => self.payload(bytes, last),
        }
        Ok(())
    }

    /// A batch is with the transport.
    fn handed_over(&mut self, bytes: usize, handed: Vec<Handed>) {
        self.connection.sent(bytes);
        self.pressed_until = None;
        for piece in handed {
            match piece {
                Handed::Piece { file, offset, length } => file.sent(offset, length),
                Handed::Closed(file) => drop(file),
            }
        }
    }

    /// Lets go of everything: what came of uploads is written, and those that were not closed stay unfinished.
    async fn close(mut self, regular: bool) {
        self.show_busy(false);
        self.checks.stop();
        self.handles.only_write();
        self.stop_gathering();
        self.gathering = None;
        let mut done = Vec::new();
        while let Some(job) = self.jobs.join_next().await {
            match job {
                Ok(Done::Written { handle, file, .. }) => self.take_back(handle, file),
                other => done.push(other),
            }
        }
        let Self { scene, outbox, handles, checks, .. } = self;
        let closing = tokio::task::spawn_blocking(move || {
            drop((done, outbox, handles, checks));
            scene.drop_box.ended(regular);
        });
        if let Err(error) = closing.await {
            tracing::error!(%error, "an SFTP session could not be closed");
        }
    }
}
