//! Who is told what happens, in order, each through a bounded queue.

use std::sync::Arc;

use qmp::Event;
use sys::runtime::{self, Receiver, Sender};

use crate::state::{GuestState, Reason};

/// How many events may wait for one subscriber; more, and it is left behind.
const MOST_WAITING: usize = qmp::events::MOST_WAITING;

/// Something that happened to a guest.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    /// Its number; each one's is by one greater than that before it.
    pub sequence: u64,
    /// What QEMU said.
    pub event: Arc<Event>,
    /// The state of the guest after it.
    pub state: GuestState,
    /// Why it is in it.
    pub reason: Reason,
}

/// What one subscriber is told.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Something happened.
    Happened(Happened),
    /// More had to wait than may. Nothing follows.
    LeftBehind,
}

/// What one subscriber is told from its subscription on. The queue's end is the guest's end.
#[derive(Debug)]
pub struct Subscription {
    /// The guest's state when it subscribed, and why.
    pub state: (GuestState, Reason),
    /// What has happened since.
    pub news: Receiver<News>,
}

/// All subscribers of a guest.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    last: u64,
    subscribers: Vec<Subscriber>,
}

#[derive(Debug)]
struct Subscriber {
    /// The names of the events that are wanted; none: all.
    filter: Vec<String>,
    sender: Sender<News>,
}

impl Subscribers {
    /// Lets somebody know what happens from now on.
    pub(super) fn add(&mut self, filter: Vec<String>, state: (GuestState, Reason)) -> Subscription {
        let (sender, news) = runtime::unbounded();
        self.subscribers.push(Subscriber { filter, sender });
        Subscription { state, news }
    }

    /// Tells what happened. A subscriber who is gone or was left behind is forgotten.
    pub(super) fn tell(&mut self, event: &Arc<Event>, (state, reason): (GuestState, Reason)) {
        self.last += 1;
        let happened = Happened { sequence: self.last, event: Arc::clone(event), state, reason };
        self.subscribers.retain(|Subscriber { filter, sender }| {
            let is_wanted = filter.is_empty() || filter.contains(&event.name);
            if is_wanted && sender.len() >= MOST_WAITING {
                let _ = sender.try_send(News::LeftBehind);
                return false;
            }
            !is_wanted || sender.try_send(News::Happened(happened.clone())).is_ok()
        });
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const STATE: (GuestState, Reason) = (GuestState::Running, Reason::Booted);

    fn event(name: &str) -> Arc<Event> {
        Arc::new(Event { name: name.to_owned(), data: serde_json::Map::new(), timestamp: None })
    }

    #[test]
    fn who_reads_misses_nothing_of_a_storm() {
        let mut subscribers = Subscribers::default();
        let subscription = subscribers.add(Vec::new(), STATE);
        for _ in 0..10_000 {
            subscribers.tell(&event("RTC_CHANGE"), STATE);
        }
        drop(subscribers);

        let numbers: Vec<u64> = std::iter::from_fn(|| sequence(&subscription)).collect();

        assert_eq!(numbers, (1..=10_000).collect::<Vec<_>>());
    }

    /// The number of the next event.
    fn sequence(subscription: &Subscription) -> Option<u64> {
        match subscription.news.try_recv().ok()? {
            News::Happened(happened) => Some(happened.sequence),
            News::LeftBehind => None,
        }
    }

    #[test]
    fn who_does_not_read_is_left_behind_and_harms_nobody() {
        let mut subscribers = Subscribers::default();
        let slow = subscribers.add(Vec::new(), STATE);
        let picky = subscribers.add(vec!["STOP".to_owned()], STATE);
        for _ in 0..=MOST_WAITING {
            subscribers.tell(&event("RTC_CHANGE"), STATE);
        }
        subscribers.tell(&event("STOP"), STATE);

        for number in 1..=MOST_WAITING as u64 {
            assert_eq!(sequence(&slow), Some(number));
        }
        assert_eq!(slow.news.try_recv(), Ok(News::LeftBehind));
        assert!(slow.news.is_closed());
        assert_eq!(sequence(&picky), Some(MOST_WAITING as u64 + 2));
        drop(picky);
        subscribers.tell(&event("STOP"), STATE);
        assert!(subscribers.subscribers.is_empty());
    }
}
