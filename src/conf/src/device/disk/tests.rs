//! Rules of disks that the derive does not know.

use super::*;
use crate::testing::{read, reprint};

fn disk(inside: &str) -> String {
    format!("<disk>{inside}<target dev='vda'/></disk>")
}

/// What a disk with `inside` is printed as, without the elements that it has in any case.
fn printed(inside: &str) -> String {
    let text = reprint::<Disk>("disk", &disk(inside)).unwrap();
    let first = "<disk type='file' device='disk'>\n";
    let rest = text.strip_prefix(first).unwrap_or(&text);
    rest.strip_suffix("  <target dev='vda'/>\n</disk>\n").unwrap_or(rest).to_owned()
}

fn warnings(inside: &str) -> Vec<String> {
    read::<Disk>("disk", &disk(inside)).unwrap().1
}

fn errors(inside: &str) -> Vec<String> {
    reprint::<Disk>("disk", &disk(inside)).unwrap_err()
}

#[test]
fn without_a_source_a_disk_is_an_empty_file() {
    let text = "<disk type='network' device='cdrom'><target dev='sda'/></disk>";
    let (disk, problems) = read::<Disk>("disk", text).unwrap();
    assert_eq!((disk.source.word(), disk.is_empty()), ("file", true));
    assert_eq!(problems, [""; 0]);
}

#[test]
fn an_empty_path_is_no_path() {
    assert_eq!(printed("<source file=''/>"), "");
    assert_eq!(
        printed("<source file='' startupPolicy='optional'/>"),
        "  <source startupPolicy='optional'/>\n"
    );
}

#[test]
fn a_snapshot_that_goes_without_saying_is_not_printed() {
    let text = "<disk snapshot='no'><target dev='vda'/><readonly/></disk>";
    assert!(!reprint::<Disk>("disk", text).unwrap().contains("snapshot"));
    let text = "<disk snapshot='no'><target dev='vda'/></disk>";
    assert!(reprint::<Disk>("disk", text).unwrap().contains("snapshot='no'"));
}

#[test]
fn half_a_geometry_has_no_effect() {
    assert_eq!(printed("<geometry cyls='1' heads='2' secs='0'/>"), "");
    assert_eq!(
        warnings("<geometry cyls='1'/>"),
        ["<geometry> has no effect without cyls, heads and secs above 0"]
    );
}

#[test]
fn a_closed_tray_goes_without_saying() {
    let text = "<disk device='cdrom'><target dev='hda' tray='closed'/></disk>";
    assert!(reprint::<Disk>("disk", text).unwrap().contains("<target dev='hda'/>"));
}

#[test]
fn the_end_of_a_chain_is_kept_and_is_not_the_same_as_no_word_about_it() {
    assert_eq!(printed("<backingStore/>"), "  <backingStore/>\n");
    let (with, _) = read::<Disk>("disk", &disk("<backingStore index='2'/>")).unwrap();
    let (without, _) = read::<Disk>("disk", &disk("")).unwrap();
    assert_eq!(with.backing_store, Some(BackingStore::End));
    assert_eq!(without.backing_store, None);
}

#[test]
fn backing_images_come_from_the_top() {
    let layer = |path: &str, below: &str| {
        format!(
            "<backingStore type='file'><format type='raw'/><source file='{path}'/>{below}\
             </backingStore>"
        )
    };
    let text = disk(&layer("/b", &layer("/a", "<backingStore/>")));
    let (disk, _) = read::<Disk>("disk", &text).unwrap();
    let paths: Vec<_> = disk.backing_images().map(|image| image.source.path()).collect();
    assert_eq!(paths, [Some("/b"), Some("/a")]);
}

#[test]
fn a_backing_image_needs_its_format() {
    assert_eq!(
        errors("<backingStore type='file'><source file='/a'/></backingStore>"),
        ["<backingStore> needs <format>"]
    );
}

#[test]
fn the_size_of_the_metadata_cache_is_printed_in_bytes() {
    let driver =
        "<driver><metadata_cache><max_size unit='KiB'>2</max_size></metadata_cache></driver>";
    assert!(printed(driver).contains("<max_size unit='bytes'>2048</max_size>"));
}

#[test]
fn authentication_in_two_places_is_refused() {
    let auth = "<auth username='u'><secret type='ceph' usage='x'/></auth>";
    let source = format!("<source protocol='rbd' name='pool/image'>{auth}</source>");
    let text = format!("<disk type='network'>{auth}{source}<target dev='vda'/></disk>");
    assert_eq!(
        reprint::<Disk>("disk", &text).unwrap_err(),
        ["<auth> stands both here and in <source>; one must go"]
    );
}

#[test]
fn authentication_is_found_and_printed_where_it_was_written() {
    let auth = "<auth username='u'><secret type='ceph' usage='x'/></auth>";
    let (outside, _) = read::<Disk>(
        "disk",
        &format!(
            "<disk type='network'>{auth}<source protocol='rbd' name='a/b'/><target dev='vda'/></disk>"
        ),
    )
    .unwrap();
    assert_eq!(outside.auth().map(|auth| &*auth.username), Some("u"));
    assert!(xml::print(&outside, "disk").contains("\n  <auth username"));
}

#[test]
fn a_secret_is_named_in_one_way() {
    let text = |secret: &str| {
        format!("<source file='/a'><encryption format='luks'>{secret}</encryption></source>")
    };
    let one = text("<secret type='passphrase' usage='x'/>");
    assert_eq!(warnings(&one), [""; 0]);
    for secret in [
        "<secret type='passphrase'/>",
        "<secret type='passphrase' usage='x' uuid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'/>",
    ] {
        assert_eq!(
            errors(&text(secret)),
            ["<secret> needs either attribute 'uuid' or attribute 'usage'"]
        );
    }
}

#[test]
fn texts_of_scsi_are_short_and_printable() {
    assert!(errors("<vendor>123456789</vendor>")[0].contains("at most 8 printable"));
    assert!(errors("<product>a\tb</product>")[0].contains("at most 16 printable"));
    assert!(errors("<wwn>123</wwn>")[0].contains("16 hexadecimal digits"));
    let (disk, _) = read::<Disk>("disk", &disk("<wwn>0x5000c50015ea71ac</wwn>")).unwrap();
    assert_eq!(disk.wwn.unwrap().number(), 0x5000_c500_15ea_71ac);
}

#[test]
fn reading_cannot_run_out_of_space() {
    assert!(errors("<driver rerror_policy='enospace'/>")[0].contains("reading needs no space"));
}

fn network(source: &str) -> Result<(Disk, Vec<String>), Vec<String>> {
    read("disk", &format!("<disk type='network'>{source}<target dev='vda'/></disk>"))
}

#[test]
fn what_a_protocol_does_not_have_has_no_effect() {
    let (disk, problems) = network(
        "<source protocol='nbd' name='export' query='a=b'><reconnect delay='5'/>\
         <ssl verify='no'/><host name='h'/></source>",
    )
    .unwrap();
    assert_eq!(
        problems,
        ["'query' has no effect on this <source>", "<ssl> has no effect in this <source>"]
    );
    assert_eq!(disk.source.network().unwrap().reconnect.map(|delay| delay.get()), Some(5));
}

#[test]
fn identity_is_what_the_protocol_makes_of_it() {
    let nfs =
        network("<source protocol='nfs' name='/a'><identity user='+1' keyfile='/k'/></source>");
    let (disk, problems) = nfs.unwrap();
    assert_eq!(problems, ["unknown attribute 'keyfile' in <identity>"]);
    assert!(xml::print(&disk, "disk").contains("<identity user='+1'/>"));

    let ssh =
        network("<source protocol='ssh' name='/a'><identity username='u' keyfile='/k'/></source>");
    let (disk, problems) = ssh.unwrap();
    assert_eq!(problems, [""; 0]);
    assert!(xml::print(&disk, "disk").contains("<identity username='u' keyfile='/k'/>"));
}

#[test]
fn a_server_is_named_as_its_transport_needs() {
    for (host, problem) in [
        ("<host/>", "<host> needs a 'name'"),
        ("<host transport='unix'/>", "<host transport='unix'> needs a 'socket'"),
        ("<host name='a' socket='/s'/>", "'socket' of <host> needs transport='unix'"),
    ] {
        let source = format!("<source protocol='nbd'>{host}</source>");
        assert_eq!(network(&source).unwrap_err(), [problem]);
    }
}

#[test]
fn an_image_has_a_name_and_where_there_are_pools_a_pool() {
    assert_eq!(
        network("<source protocol='https'/>").unwrap_err(),
        ["<source> with protocol 'https' needs a 'name'"]
    );
    assert!(network("<source protocol='rbd' name='image'/>").unwrap_err()[0].contains("no image"));
    assert!(network("<source protocol='nbd'/>").is_ok());
}
