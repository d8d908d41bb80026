//! Threads that serve disks.
//!
//! libvirt: `virDomainDefValidateIOThreads`.

use xml::Origin;

use super::{Check, Rule};

pub(super) const RULES: &[Rule] =
    &[Rule::new("thread-pool-has-room", "a pool has a least and a largest size", pools)];

fn pools(check: &mut Check<'_>) {
    let domain = check.domain;
    let ids = domain.iothread_ids.iter().flat_map(|ids| &ids.iothreads);
    let mut pools: Vec<(Origin, Option<u32>, Option<u32>)> =
        ids.map(|thread| (thread.origin, thread.thread_pool_min, thread.thread_pool_max)).collect();
    pools.extend(
        domain
            .default_iothread
            .iter()
            .map(|thread| (thread.origin, thread.thread_pool_min, thread.thread_pool_max)),
    );
    for (origin, min, max) in pools {
        if max == Some(0) {
            let message = "a pool of 0 threads serves nothing";
            check.refuse_value(origin, "thread_pool_max", message, "1 or more");
        } else if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            let message = format!("a pool cannot have at least {min} and at most {max} threads");
            check.refuse_value(origin, "thread_pool_min", message, format!("at most {max}"));
        }
    }
}
