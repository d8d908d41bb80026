//! Subscriptions to events: ordered, filtered, bounded.
//!
//! Each subscriber has a queue of its own. Subscribe first, then send the command that causes the
//! event: what QEMU says before its answer is in the queue when the answer is there.

use std::sync::{Arc, Weak};

use crate::message::{Event, Reply};
use crate::queue::{Queue, Taken};

/// How many events may wait for one subscriber.
pub const MOST_WAITING: usize = 16 * 1024;

/// One subscriber's events, from its making on, in QEMU's order.
#[derive(Debug)]
pub struct Events {
    pub(crate) queue: Arc<Queue<Said>>,
}

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// An event.
    Event(Arc<Event>),
    /// So many events that the filter lets through were lost here, because [`MOST_WAITING`]
    /// waited: whatever was learned from events must be asked for again.
    Missed(u64),
}

impl Events {
    /// Waits for the next event; `None` when the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time: nothing is lost.
    pub async fn next(&mut self) -> Option<Notice> {
        notice(self.queue.take().await)
    }

    /// The next event that has come already; `None` when there is none.
    pub fn try_next(&mut self) -> Option<Notice> {
        notice(self.queue.try_take()?)
    }

    /// Waits for an event that is wanted and drops those before it. Stops at [`Notice::Missed`],
    /// as the wanted one may have been lost; `None` when the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time; unwanted events up to there are gone.
    pub async fn find(&mut self, mut wanted: impl FnMut(&Event) -> bool) -> Option<Notice> {
        loop {
            match self.next().await {
                Some(Notice::Event(event)) if !wanted(&event) => {}
                notice => return notice,
            }
        }
    }
}

fn notice(taken: Taken<Said>) -> Option<Notice> {
    match taken {
        Taken::Item(Said::Event(event)) => Some(Notice::Event(event)),
        Taken::Item(Said::Reply(_)) => unreachable!("replies go to the multiplexer's queues"),
        Taken::Missed(count) => Some(Notice::Missed(count)),
        Taken::Closed => None,
    }
}

/// What QEMU says that one reader waits for, in QEMU's order.
#[derive(Debug)]
pub(crate) enum Said {
    Event(Arc<Event>),
    /// Only to a client of the multiplexer, whose answers keep their place among the events.
    Reply(Reply),
}

/// Which events a subscriber wants.
#[derive(Debug)]
pub(crate) enum Filter {
    All,
    Named(Vec<String>),
    /// Only the end of the connection.
    Nothing,
}

/// All subscribers of a connection.
#[derive(Debug, Default)]
pub(crate) struct Subscribers(Vec<Subscriber>);

#[derive(Debug)]
struct Subscriber {
    /// Gone when nobody reads it any more.
    queue: Weak<Queue<Said>>,
    filter: Filter,
}

impl Subscribers {
    pub(crate) fn add(&mut self, queue: &Arc<Queue<Said>>, filter: Filter) {
        self.0.push(Subscriber { queue: Arc::downgrade(queue), filter });
    }

    pub(crate) fn publish(&mut self, event: &Arc<Event>) {
        self.0.retain(|Subscriber { queue, filter }| {
            let Some(queue) = queue.upgrade() else { return false };
            let wanted = match filter {
                Filter::All => true,
                Filter::Named(names) => names.contains(&event.name),
                Filter::Nothing => false,
            };
            if wanted {
                queue.push_bounded(Said::Event(Arc::clone(event)), MOST_WAITING);
            }
            true
        });
    }

    pub(crate) fn close(&mut self) {
        for queue in self.0.drain(..).filter_map(|subscriber| subscriber.queue.upgrade()) {
            queue.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn event(name: &str) -> Arc<Event> {
        Arc::new(Event { name: name.to_owned(), data: Map::new(), timestamp: None })
    }

    fn subscribe(subscribers: &mut Subscribers, filter: Filter) -> Events {
        let queue = Arc::new(Queue::new());
        subscribers.add(&queue, filter);
        Events { queue }
    }

    #[test]
    fn each_subscriber_has_its_own_order_and_filter() {
        let mut subscribers = Subscribers::default();
        let mut all = subscribe(&mut subscribers, Filter::All);
        let mut stops = subscribe(&mut subscribers, Filter::Named(vec!["STOP".to_owned()]));

        for name in ["STOP", "RESUME", "STOP"] {
            subscribers.publish(&event(name));
        }
        subscribers.close();

        let names = |events: &mut Events| {
            std::iter::from_fn(|| match events.try_next()? {
                Notice::Event(event) => Some(event.name.clone()),
                Notice::Missed(count) => Some(count.to_string()),
            })
            .collect::<Vec<_>>()
        };
        assert_eq!(names(&mut all), ["STOP", "RESUME", "STOP"]);
        assert_eq!(names(&mut stops), ["STOP", "STOP"]);
    }

    #[test]
    fn a_slow_subscriber_learns_what_it_missed_and_harms_nobody() {
        let mut subscribers = Subscribers::default();
        let mut slow = subscribe(&mut subscribers, Filter::All);
        let mut fast = subscribe(&mut subscribers, Filter::All);

        for _ in 0..MOST_WAITING + 3 {
            subscribers.publish(&event("STOP"));
            assert!(matches!(fast.try_next(), Some(Notice::Event(_))));
        }

        for _ in 0..MOST_WAITING {
            assert!(matches!(slow.try_next(), Some(Notice::Event(_))));
        }
        assert_eq!(slow.try_next(), Some(Notice::Missed(3)));
        subscribers.publish(&event("RESUME"));
        assert_eq!(slow.try_next(), Some(Notice::Event(event("RESUME"))));
    }

    #[test]
    fn dropped_subscriptions_are_forgotten() {
        let mut subscribers = Subscribers::default();
        drop(subscribe(&mut subscribers, Filter::All));

        subscribers.publish(&event("STOP"));

        assert!(subscribers.0.is_empty());
    }
}
