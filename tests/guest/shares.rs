//! Shares: 9p in all its ways beside virtiofs, all in one guest.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use pretty_assertions::assert_eq;

use crate::common::run;
use crate::machine::{document, has, home, is_root, runs, with_shared_memory};
use crate::running::{Console, run_directory};

/// A 9p share of `folder`; `attributes` are those of `<filesystem>`, `rest` its further children.
pub(crate) fn ninep(folder: &Path, tag: &str, attributes: &str, rest: &str) -> String {
    format!(
        "    <filesystem type='mount' {attributes}>
      <source dir='{}'/>
      <target dir='{tag}'/>
{rest}    </filesystem>
",
        folder.display()
    )
}

/// A virtiofs share; `driver` are further attributes of `<driver>`.
pub(crate) fn virtiofs(folder: &Path, tag: &str, driver: &str, rest: &str) -> String {
    format!(
        "    <filesystem type='mount'>
      <driver type='virtiofs' {driver}/>
{rest}      <source dir='{}'/>
      <target dir='{tag}'/>
    </filesystem>
",
        folder.display()
    )
}

/// A file system of its own, mounted on a folder as long as this lives.
struct Mounted(PathBuf);

impl Mounted {
    fn on(folder: PathBuf) -> Self {
        fs::create_dir(&folder).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "vdomain-test"]).arg(&folder);
        run(mount).done();
        Self(folder)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let mut umount = Command::new("umount");
        umount.arg("--lazy").arg(&self.0);
        run(umount);
    }
}

#[test]
fn shares_of_both_kinds_are_read_and_written() {
    let Some(home) = home() else { return };
    if !has(&home, "virtiofsd") || !is_root("sharing files with their owners") {
        return;
    }
    let folders = ["mapped", "passed", "squashed", "fixed", "kept", "fast", "cached"].map(|name| {
        let folder = home.path(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("hello"), format!("from {name}\n")).unwrap();
        folder
    });
    let [mapped, passed, squashed, fixed, kept, fast, cached] = &folders;
    let devices = [
        ninep(mapped, "mapped", "accessmode='mapped' fmode='640' dmode='750'", ""),
        ninep(passed, "passed", "accessmode='passthrough'", ""),
        ninep(squashed, "squashed", "accessmode='squash' multidevs='remap'", ""),
        ninep(fixed, "fixed", "accessmode='mapped'", "      <readonly/>\n"),
        ninep(kept, "kept", "accessmode='mapped'", "").replace(
            "      <source",
            "      <driver type='path' wrpolicy='immediate'/>\n      <source",
        ),
        virtiofs(fast, "fast", "queue='512'", ""),
        virtiofs(
            cached,
            "cached",
            "",
            "      <binary xattr='on'><cache mode='always'/><sandbox mode='chroot'/></binary>\n",
        ),
    ];
    // The script is too long for a kernel command line.
    fs::write(
        mapped.join("script"),
        "for tag in mapped passed squashed fixed kept fast cached; do
            case $tag in fast | cached) type=virtiofs ;; *) type=9p ;; esac
            [ $tag = mapped ] || share $type $tag || echo no $tag
            cat /mnt/$tag/hello
            mkdir /mnt/$tag/made 2>/dev/null && echo by the guest >/mnt/$tag/made/file || echo $tag is read-only
        done
        chown 1234 /mnt/passed/made/file /mnt/fast/made/file
        stat -c %u /mnt/passed/made/file",
    )
    .unwrap();
    let script = runs("share 9p mapped && . /mnt/mapped/script");
    home.define(&with_shared_memory(&document("shares", &script, &devices.concat())));

    let said = Console::start(&home, "shares").run();

    assert_eq!(
        said,
        "from mapped\nfrom passed\nfrom squashed\nfrom fixed\nfixed is read-only\nfrom kept\n\
         from fast\nfrom cached\n1234\n"
    );
    let made = |folder: &Path| fs::metadata(folder.join("made/file"));
    for folder in [mapped, passed, squashed, kept, fast, cached] {
        assert_eq!(fs::read_to_string(folder.join("made/file")).unwrap(), "by the guest\n");
    }
    assert!(made(fixed).is_err());
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(mapped.join("made/file")), 0o640);
    assert_eq!(mode(mapped.join("made")), 0o750);
    assert_eq!(made(passed).unwrap().uid(), 1234);
    assert_eq!(made(fast).unwrap().uid(), 1234);
    assert_eq!(made(kept).unwrap().uid(), 0);
}

#[test]
fn multidevs_decides_about_a_second_file_system_below_a_share() {
    let Some(home) = home() else { return };
    if !is_root("mounting a file system below a share") {
        return;
    }
    let export = home.path("export");
    fs::create_dir(&export).unwrap();
    fs::write(export.join("hello"), "from the first\n").unwrap();
    let second = Mounted::on(export.join("second"));
    fs::write(second.0.join("hello"), "from the second\n").unwrap();
    let share = |tag| ninep(&export, tag, &format!("accessmode='mapped' multidevs='{tag}'"), "");
    let devices = ["remap", "forbid", "warn"].map(share);
    let script = "for tag in remap forbid warn; do
        share 9p $tag
        cat /mnt/$tag/hello /mnt/$tag/second/hello || true
    done
    [ $(stat -c %i /mnt/remap/hello) != $(stat -c %i /mnt/remap/second/hello) ] && echo they differ";
    home.define(&document("multidevs", &runs(script), &devices.concat()));
    let mut console = Console::start(&home, "multidevs");
    console.wait_for("they differ");
    let log = fs::read_to_string(run_directory(&home, "multidevs").join("qemu.log")).unwrap();

    let said = console.run();

    assert_eq!(
        said,
        "from the first\nfrom the second\n\
         from the first\ncat: can't open '/mnt/forbid/second/hello': No such device\n\
         from the first\nfrom the second\nthey differ\n"
    );
    assert!(log.contains("Multiple devices detected in same VirtFS export"), "{log}");
}
