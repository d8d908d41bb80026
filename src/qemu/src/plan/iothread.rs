//! I/O threads.

use std::fmt::Display;

use conf::iothreads::{DefaultIothread, Iothread};
use serde_json::{Map, Value};

use super::Builder;

/// The name by which QEMU knows an I/O thread.
pub(super) fn name(id: impl Display) -> String {
    format!("iothread{id}")
}

/// I/O threads, and how many helpers QEMU's main loop has.
///
/// libvirt: `qemuBuildIOThreadCommandLine`.
pub(super) fn iothreads(builder: &mut Builder<'_>) {
    let domain = builder.domain;
    let listed = domain.iothread_ids.iter().flat_map(|ids| &ids.iothreads);
    let listed: Vec<&Iothread> = listed.collect();
    for id in domain.iothread_numbers() {
        let said = listed.iter().find(|thread| thread.id == id);
        let origin = said.map_or(domain.origin, |thread| thread.origin);
        builder.part(format!("I/O thread {id}"), origin);
        builder.object(object(id, said.copied()));
    }
    if let Some(default) = &domain.default_iothread {
        builder.part("main loop", default.origin);
        builder.object(main_loop(default));
    }
}

fn object(id: u32, said: Option<&Iothread>) -> Value {
    let mut object = start("iothread", name(id));
    if let Some(thread) = said {
        set(&mut object, "thread-pool-min", thread.thread_pool_min);
        set(&mut object, "thread-pool-max", thread.thread_pool_max);
        if let Some(poll) = &thread.poll {
            set(&mut object, "poll-max-ns", poll.max);
            set(&mut object, "poll-grow", poll.grow);
            set(&mut object, "poll-shrink", poll.shrink);
        }
    }
    object.into()
}

fn main_loop(default: &DefaultIothread) -> Value {
    let mut object = start("main-loop", "main-loop".to_owned());
    set(&mut object, "thread-pool-min", default.thread_pool_min);
    set(&mut object, "thread-pool-max", default.thread_pool_max);
    object.into()
}

fn start(kind: &str, id: String) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("qom-type".to_owned(), kind.into());
    object.insert("id".to_owned(), id.into());
    object
}

fn set(object: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}
