//! A channel's task: what comes before SFTP is asked for, and then the session.

use russh::{Channel, ChannelMsg, server::Msg};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    connection::Connection,
    session::{self, Begin},
};

/// The one subsystem that there is.
pub(super) const SUBSYSTEM: &str = "sftp";

/// Attends to one channel: serves SFTP once that was asked for. What comes before is taken and forgotten: clients send
/// variables of their environment, as many as their users wish.
pub(super) async fn attend(
    connection: &Connection,
    mut channel: Channel<Msg>,
    mut begun: oneshot::Receiver<(Begin, OwnedSemaphorePermit)>,
) {
    let (begin, _held_until_the_end) = loop {
        tokio::select! {
            // What comes after the request is the session's.
            biased;
            begin = &mut begun => match begin {
                Ok(begin) => break begin,
                Err(_) => return,
            },
            message = channel.wait() => match message {
                // The request itself: whatever comes now comes behind it.
                Some(ChannelMsg::RequestSubsystem { name, .. }) if name == SUBSYSTEM => match begun.await {
                    Ok(begin) => break begin,
                    Err(_) => return,
                },
                Some(_) => {}
                None => return,
            },
        }
    };
    if let Err(ending) = session::serve(channel, begin).await {
        connection.irregular();
        if let Some(ending) = ending {
            connection.end(ending);
        }
    }
}
