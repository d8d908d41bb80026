//! What a document limits is limited before the guest runs, and refused where it cannot be.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Home, not_tested};
use crate::document;

/// The control group that a guest's QEMU is in, without that of its threads.
pub(crate) fn group(qemu: u32) -> PathBuf {
    let groups = fs::read_to_string(format!("/proc/{qemu}/cgroup")).unwrap();
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
    Path::new("/sys/fs/cgroup").join(path.trim_end_matches("/emulator"))
}

#[test]
fn a_guest_is_limited_or_refused() {
    let Some(home) = Home::with_qemu() else { return };
    let limits = "
  <vcpu>2</vcpu>
  <iothreads>1</iothreads>
  <memtune>
    <hard_limit unit='MiB'>512</hard_limit>
    <soft_limit unit='MiB'>400</soft_limit>
  </memtune>
  <cputune>
    <shares>300</shares>
    <period>50000</period>
    <quota>20000</quota>
    <global_quota>90000</global_quota>
    <emulator_quota>80000</emulator_quota>
    <iothread_period>40000</iothread_period>
    <iothread_quota>10000</iothread_quota>
  </cputune>
  <os>";
    home.define(&document("limited", "").replace("\n  <os>", limits));

    let started = home.vdomain(&["start", "limited", "--paused"]);

    if started.code != 0 {
        let place = started.err.starts_with("error: guest.xml:") || started.err.contains("limited");
        assert!(place && started.err.contains("control group"), "{}", started.err);
        assert!(!home.path("home/run/limited").exists(), "something is left of the guest");
        return not_tested(started.err.trim_end());
    }
    let qemu = home.vdomain(&["domid", "limited"]).done().out;
    let group = group(qemu.trim().parse().unwrap());
    let read = |file: &str| fs::read_to_string(group.join(file)).unwrap().trim_end().to_owned();
    let limits = [
        ("cpu.weight", "300"),
        ("cpu.max", "90000 100000"),
        ("memory.max", "536870912"),
        ("memory.high", "419430400"),
        ("emulator/cpu.max", "80000 100000"),
        ("vcpu0/cpu.max", "20000 50000"),
        ("vcpu1/cpu.max", "20000 50000"),
        ("iothread1/cpu.max", "10000 40000"),
    ];
    for (file, value) in limits {
        assert_eq!(read(file), value, "{file}");
    }
    for group in ["vcpu0", "vcpu1", "iothread1"] {
        assert_eq!(read(&format!("{group}/cgroup.threads")).lines().count(), 1, "{group}");
    }
    assert!(read("emulator/cgroup.threads").lines().any(|thread| thread == qemu.trim()));
    home.vdomain(&["destroy", "limited"]).done();
    assert!(!group.exists(), "{} is left", group.display());
}

#[test]
fn memory_is_locked_or_the_start_refused() {
    let Some(home) = Home::with_qemu() else { return };
    let locked = "\n  <memoryBacking>\n    <locked/>\n  </memoryBacking>\n  <os>";
    home.define(&document("locked", "").replace("\n  <os>", locked));

    let started = home.vdomain(&["start", "locked", "--paused"]);

    if started.code != 0 {
        assert!(started.err.contains("cannot be locked"), "{}", started.err);
        return not_tested("this user may not lock memory");
    }
    let qemu = home.vdomain(&["domid", "locked"]).done().out;
    let status = fs::read_to_string(format!("/proc/{}/status", qemu.trim())).unwrap();
    let locked = status.lines().find(|line| line.starts_with("VmLck")).unwrap();
    let size: u64 = locked.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(size >= 64 << 10, "{locked}");
}

#[test]
fn memory_of_huge_pages_is_mapped_from_them_or_refused() {
    let Some(home) = Home::with_qemu() else { return };
    let huge = "\n  <memoryBacking>\n    <hugepages/>\n  </memoryBacking>\n  <os>";
    home.define(&document("huge", "").replace("\n  <os>", huge));

    let started = home.vdomain(&["start", "huge", "--paused"]);

    if started.code != 0 {
        return not_tested(started.err.trim_end());
    }
    let qemu = home.vdomain(&["domid", "huge"]).done().out;
    let maps = fs::read_to_string(format!("/proc/{}/smaps", qemu.trim())).unwrap();
    let pages = maps.lines().filter_map(|line| line.strip_prefix("KernelPageSize:"));
    assert!(pages.into_iter().any(|size| size.trim() == "2048 kB"), "{maps}");
}
