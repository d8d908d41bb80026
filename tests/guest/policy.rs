//! What happens when a guest crashes or hangs: what its document says. The guest's kernel has no driver
//! of either device, so the registers are written as one would.

use std::fs;
use std::time::{Duration, Instant};

use crate::common::Home;
use crate::machine::{document, home, stays};
use crate::running::{Console, state};

/// Says over the ISA device that the guest has panicked.
///
/// QEMU: `PVPANIC_PANICKED` in `docs/specs/pvpanic.rst`; the port is 0x505.
const CRASH: &str = "printf '\\001' | dd of=/dev/port bs=1 seek=1285 count=1 conv=notrunc";

/// Starts the watchdog of the q35 chipset and then does nothing for it: NO_REBOOT is cleared, and the
/// timer loaded, which expires twice after 2.4 seconds.
///
/// QEMU: `hw/acpi/ich9_tco.c`; the registers begin at port 0x660.
const HANG: &str = "devmem 0xfed1f410 32 0; printf '\\001' | \
                    dd of=/dev/port bs=1 seek=1632 count=1 conv=notrunc";

fn crashes(home: &Home, name: &str, action: &str) {
    let devices = "    <panic model='isa'/>";
    let given = document(name, &stays("true"), devices);
    let action = format!("<on_crash>{action}</on_crash>\n  <devices>");
    home.define(&given.replace("<devices>", &action));
}

fn reason(home: &Home, name: &str) -> String {
    home.vdomain(&["domstate", "--reason", name]).done().out.trim_end().to_owned()
}

#[track_caller]
fn comes_to_be(home: &Home, name: &str, wanted: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while reason(home, name) != wanted {
        assert!(Instant::now() < deadline, "it is {}", reason(home, name));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_guest_that_crashes_is_kept_restarted_or_dumped_as_its_document_says() {
    let Some(home) = home() else { return };
    crashes(&home, "kept", "preserve");
    let mut console = Console::start(&home, "kept");
    console.script();
    console.types(CRASH);
    comes_to_be(&home, "kept", "crashed (panicked)");
    home.vdomain(&["resume", "kept"]).fails(4);
    home.vdomain(&["destroy", "kept"]).done();
    console.end();

    crashes(&home, "again", "restart");
    let mut console = Console::start(&home, "again");
    console.script();
    console.types(CRASH);
    console.script();
    assert_eq!(state(&home, "again"), "running");
    home.vdomain(&["destroy", "again"]).done();

    crashes(&home, "dumped", "coredump-destroy");
    let mut console = Console::start(&home, "dumped");
    console.script();
    console.types(CRASH);
    console.end();
    assert_eq!(reason(&home, "dumped"), "shut off (crashed)");
    let dump = fs::read_dir(home.path("home/state/dump")).unwrap().next().unwrap().unwrap();
    assert!(fs::read(dump.path()).unwrap().starts_with(b"\x7fELF"));
}

#[test]
fn a_guest_that_hangs_is_stopped_or_reset_by_its_watchdog() {
    let Some(home) = home() else { return };
    let with = |name: &str, action: &str| {
        let device = format!("    <watchdog model='itco' action='{action}'/>");
        home.define(&document(name, &stays("true"), &device));
    };
    with("stopped", "pause");
    let mut console = Console::start(&home, "stopped");
    console.script();
    console.types(HANG);
    comes_to_be(&home, "stopped", "paused (watchdog)");
    home.vdomain(&["destroy", "stopped"]).done();

    with("reset", "reset");
    let mut console = Console::start(&home, "reset");
    console.script();
    console.types(HANG);
    console.script();
    assert_eq!(state(&home, "reset"), "running");
    home.vdomain(&["destroy", "reset"]).done();

    with("ended", "poweroff");
    let mut console = Console::start(&home, "ended");
    console.script();
    console.types(HANG);
    console.end();
    assert_eq!(state(&home, "ended"), "shut off");
}
