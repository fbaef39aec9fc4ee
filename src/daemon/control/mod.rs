//! What an operator does beside the running daemon, entered in its account.
//!
//! Only one process writes the log, and one works on drop-boxes. A command that must be in the log, or that delivers,
//! asks the daemon over a socket in the state directory, which only the daemon's own user and root can reach. When no
//! daemon runs, a command that only enters opens the log itself. One request a connection, a line of JSON; the answer
//! is lines of JSON: how far it is, or that it goes on, every few seconds, and then what came of it. Who hears nothing for
//! longer takes the daemon for dead. Nothing but the events that
//! [`server`] lets through can be entered.
//!
//! An order is begun, and a file that is handed over is taken, once the daemon has a place for it and says so, and the
//! client has answered that: by a line, or by the file. What was asked by a client that did not hear it is never done. From
//! then on the daemon may do it, and a client that hears nothing more says that nobody knows, and where the log tells. An
//! order or a file may then wait for its turn; it is not begun either when its client went away by then.

mod client;
mod server;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use client::{deliver, is_log_written, is_running, note, publish};
pub(super) use {
    client::{note_alone, order},
    server::serve,
};

use super::orders::{HandedFile, Order};
use crate::{
    domain::TenantId,
    transfer_log::{Actor, Context, Disclosed, Event, Record},
};

/// The socket in the state directory.
const SOCKET: &str = "control";

/// How long either side waits for the other to say what it says at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often who waits hears that the daemon is at it: more often than patience ends.
const BEAT: Duration = Duration::from_secs(3);

/// What begins an order that was taken.
const BEGIN: &[u8] = b"\n";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    /// Enter this in the account.
    Note { tenant: Option<String>, event: Box<Event> },
    /// Publish what was entered before.
    Publish,
    /// Say whether the log is written.
    Writing,
    /// Do this for an assignment.
    Order(Order),
    /// Deliver the file that follows.
    Deliver(HandedFile),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    /// It was taken: the file may follow, or the line that begins an order.
    GoAhead,
    /// It waits for its turn, or is being done.
    UnderWay,
    /// How far it is.
    Progress(String),
    /// The entry's place, the size of the log that is published, or what came of an order.
    Done(Value),
    /// What came of an order that was done in part, and why the rest was not.
    Part { done: Value, why: String },
    /// Why nothing was done.
    Refused(String),
    /// Why nobody knows whether it was done.
    Unknown(String),
}

fn record(tenant: Option<TenantId>, event: Event, user: u32) -> Record {
    let context = Context { tenant, ..Context::of(Actor::Operator) };
    Record::success(event, context).disclosing([Disclosed { name: "user", value: format!("uid {user}") }])
}
