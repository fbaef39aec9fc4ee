//! How long lists take from their last byte to the answer that can be fetched.
//!
//! What waits is remembered by its id; at most [`MOST_FOLLOWED`] are, the others are not measured.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::transfer_log::{Event, Outcome, StoredEntry};

/// Lists that are followed at one time: every inbox full would be as many. Each takes some 100 bytes.
const MOST_FOLLOWED: usize = 65_536;

/// Lists on their way.
#[derive(Debug, Default)]
pub(super) struct Answering {
    /// When a submission was complete.
    waiting: HashMap<String, Timestamp>,
    /// When the submission was complete that a delivery tells about, until that can be fetched.
    telling: HashMap<String, Timestamp>,
}

impl Answering {
    /// A submission is complete.
    pub fn received(&mut self, submission: &str, at: Timestamp) {
        if self.waiting.len() < MOST_FOLLOWED {
            self.waiting.insert(submission.to_owned(), at);
        }
    }

    /// Follows an entry; the seconds that a list took, when its answer can be fetched by it.
    pub fn follow(&mut self, entry: &StoredEntry) -> Option<f64> {
        let about = entry.context.correlation.as_deref().unwrap_or_default();
        match &entry.event {
            Event::Upload(upload) if upload.complete && entry.outcome == Outcome::Success => {
                self.received(about, entry.at);
            }
            Event::Rename(rename) if rename.complete => self.received(about, entry.at),
            Event::Rename(_) | Event::Delete {} | Event::UploadRemoved(_) => {
                self.waiting.remove(about);
            }
            Event::ListAnswered(answered) => self.told(about, &answered.delivery_id),
            Event::ListRefused(refused) => self.told(about, &refused.delivery_id),
            Event::DeliveryAvailable(step) => {
                let received = self.telling.remove(&step.delivery_id)?;
                return Some(entry.at.duration_since(received).as_secs_f64().max(0.0));
            }
            _ => {}
        }
        None
    }

    fn told(&mut self, submission: &str, delivery: &str) {
        if let Some(received) = self.waiting.remove(submission) {
            self.telling.insert(delivery.to_owned(), received);
        }
    }
}
