//! A queue with one reader that waits, bounded for what may be missed.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard};
use std::task::{Poll, Waker};

/// Filled by anybody, emptied by one task.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    inner: Mutex<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T> {
    items: VecDeque<T>,
    /// What was left out behind the items, as the reader was not reading.
    missed: u64,
    closed: bool,
    reader: Option<Waker>,
}

/// What a reader gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken<T> {
    Item(T),
    /// So many were left out here.
    Missed(u64),
    /// Nothing will come any more.
    Closed,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        let (items, missed, closed, reader) = (VecDeque::new(), 0, false, None);
        Self { inner: Mutex::new(Inner { items, missed, closed, reader }) }
    }

    /// Adds something that must arrive.
    pub(crate) fn push(&self, item: T) {
        self.change(|inner| inner.items.push_back(item));
    }

    /// Adds something unless `most` wait already. A reader who fell behind misses everything
    /// until it has read what waits, so that it knows where the gap is.
    pub(crate) fn push_bounded(&self, item: T, most: usize) {
        self.change(|inner| {
            if inner.missed > 0 || inner.items.len() >= most {
                inner.missed += 1;
            } else {
                inner.items.push_back(item);
            }
        });
    }

    /// Lets the reader come to the end after what waits.
    pub(crate) fn close(&self) {
        self.change(|inner| inner.closed = true);
    }

    /// Takes out everything that waits.
    pub(crate) fn drain(&self) -> VecDeque<T> {
        std::mem::take(&mut self.lock().items)
    }

    /// Takes the next item without waiting; `None` when nothing waits.
    pub(crate) fn try_take(&self) -> Option<Taken<T>> {
        let mut inner = self.lock();
        if let Some(item) = inner.items.pop_front() {
            return Some(Taken::Item(item));
        }
        if inner.items.capacity() > 0 {
            inner.items = VecDeque::new();
        }
        match std::mem::take(&mut inner.missed) {
            0 => inner.closed.then_some(Taken::Closed),
            missed => Some(Taken::Missed(missed)),
        }
    }

    /// Waits for the next item; dropped while waiting, it has taken nothing.
    pub(crate) async fn take(&self) -> Taken<T> {
        poll_fn(|context| {
            if let Some(taken) = self.try_take() {
                return Poll::Ready(taken);
            }
            self.lock().reader = Some(context.waker().clone());
            // What came between looking and leaving the waker would not wake.
            self.try_take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn change(&self, change: impl FnOnce(&mut Inner<T>)) {
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        change(&mut inner);
        let reader = inner.reader.take();
        drop(inner);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().expect("nobody panics while holding the lock")
    }
}

#[cfg(test)]
mod tests {
    use sys::runtime::{block_on, zip};

    use super::*;

    #[test]
    fn a_reader_who_fell_behind_learns_where() {
        let queue = Queue::new();
        for number in 0..5 {
            queue.push_bounded(number, 2);
        }
        assert_eq!(queue.try_take(), Some(Taken::Item(0)));
        queue.push_bounded(5, 2);
        queue.close();

        assert_eq!(queue.try_take(), Some(Taken::Item(1)));
        assert_eq!(queue.try_take(), Some(Taken::Missed(4)));
        assert_eq!(queue.try_take(), Some(Taken::Closed));
    }

    #[test]
    fn what_must_arrive_is_not_bounded() {
        let queue = Queue::new();
        queue.push_bounded('a', 1);
        queue.push_bounded('b', 1);
        queue.push('c');

        assert_eq!(queue.drain(), ['a', 'c']);
    }

    #[test]
    fn a_waiting_reader_is_woken() {
        let queue = Queue::new();

        let (taken, ()) = block_on(zip(queue.take(), async { queue.push(1) }));

        assert_eq!(taken, Taken::Item(1));
    }
}
