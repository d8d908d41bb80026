//! Tasks, time, channels and asynchronous descriptors.
//!
//! The only module that names async-std and the crates below it, so that another executor is a
//! matter of this directory. One thread runs all spawned tasks: they wait, they do not compute,
//! and a guest's supervisor stays small on a large machine. A task must therefore never block.

mod descriptor;
mod signals;
mod socket;

use std::future::Future;
use std::sync::Once;
use std::time::{Duration, Instant};

pub use async_channel::{
    Receiver, RecvError, SendError, Sender, TryRecvError, TrySendError, bounded, unbounded,
};
pub use async_std::task::JoinHandle;
pub use futures_lite::future::{or, zip};

pub use descriptor::{Descriptor, exited};
pub use signals::{Signals, TerminationSignal};
pub use socket::{Listener, Socket};

/// Runs a future on this thread until it is done.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    start();
    async_std::task::block_on(future)
}

/// Starts a task that runs beside the caller.
///
/// Dropping the handle lets the task go on; [`JoinHandle::cancel`] ends it.
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    start();
    async_std::task::spawn(future)
}

/// Waits for a time.
///
/// # Cancel safety
///
/// May be dropped at any time.
pub async fn sleep(time: Duration) {
    async_io::Timer::after(time).await;
}

/// Waits until a time has come.
///
/// # Cancel safety
///
/// May be dropped at any time.
pub async fn sleep_until(deadline: Instant) {
    async_io::Timer::at(deadline).await;
}

/// Runs a future until it is done, or gives it up at `deadline`: `None`.
///
/// # Cancel safety
///
/// As safe as `work`, which is dropped where it is waiting when time runs out. A write to a
/// stream may be half done then, and the stream be of no further use.
pub async fn until<T>(deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
    or(async { Some(work.await) }, async {
        sleep_until(deadline).await;
        None
    })
    .await
}

/// Runs a future until it is done, or gives it up after a time: `None`.
///
/// # Cancel safety
///
/// As for [`until`].
pub async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    match Instant::now().checked_add(time) {
        Some(deadline) => until(deadline, work).await,
        None => Some(work.await),
    }
}

/// Starts the threads, which the first that needs them does otherwise. Their number is settled before
/// async-std does that, which would take one per CPU.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        async_global_executor::init_with_config(
            async_global_executor::GlobalExecutorConfig::default()
                .with_min_threads(1)
                .with_max_threads(1)
                .with_thread_name_fn(|| "tasks".to_owned()),
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_out_for_work_that_hangs_only() {
        block_on(async {
            assert_eq!(within(Duration::ZERO, std::future::pending::<()>()).await, None);
            assert_eq!(within(Duration::ZERO, async { 1 }).await, Some(1));
            assert_eq!(within(Duration::MAX, async { 2 }).await, Some(2));
        });
    }

    #[test]
    fn one_thread_runs_the_tasks() {
        block_on(spawn(async {}));

        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let named = tasks.filter(|task| {
            let name = task.as_ref().unwrap().path().join("comm");
            std::fs::read_to_string(name).is_ok_and(|name| name == "tasks\n")
        });
        assert_eq!(named.count(), 1);
    }
}
