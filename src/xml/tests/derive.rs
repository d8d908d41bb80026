//! What the derive makes of a definition: reading, printing, problems with their places, schema.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]

use base::{BadValue, Datatype, OnOff, Value, words};
use pretty_assertions::assert_eq;
use xml::{El, Elsewhere, Grammar, Namespace, Origin, Part, Problem, Reader, Source, Xml};

const NAMESPACES: &[Namespace] = &[Namespace { prefix: "q", uri: "urn:q" }];

words! {
    /// How a disk is cached.
    pub enum Cache unset "default" {
        /// Not at all.
        None = "none",
        /// By the host.
        Writeback = "writeback",
    }
}

/// A disk backed by a file.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct FileSource {
    /// The file.
    #[xml(attribute_child = "file", name = "source")]
    pub file: Option<String>,
}

/// A disk backed by a block device.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct BlockSource {
    /// The device.
    #[xml(attribute_child = "dev", name = "source")]
    pub dev: Option<String>,
}

/// What is behind a disk.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "type", default = "file")]
pub enum Backend {
    /// A file.
    #[xml(word = "file")]
    File(FileSource),
    /// A block device.
    #[xml(word = "block")]
    Block(BlockSource),
    /// Nothing.
    #[xml(word = "null", ignores = "path")]
    Null,
}

/// `<driver>`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Driver {
    /// The name.
    #[xml(attribute, required)]
    pub name: String,
    /// The cache mode.
    #[xml(attribute)]
    pub cache: Option<Cache>,
}

/// A disk.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Disk {
    /// Where it stands.
    pub origin: Origin,
    /// What it looks like to the guest.
    #[xml(attribute)]
    pub device: Option<String>,
    /// Only read for a CD-ROM.
    #[xml(attribute, read_if = Disk::is_cdrom, print_if = Disk::is_cdrom)]
    pub tray: Option<OnOff>,
    /// How it is opened.
    #[xml(child)]
    pub driver: Option<Driver>,
    /// What is behind it.
    #[xml(flatten, key_first)]
    pub backend: Backend,
    /// Not written to.
    #[xml(flag)]
    pub readonly: bool,
    /// Its queues.
    #[xml(child, name = "queue", within = "queues")]
    pub queues: Vec<Queue>,
    /// Names.
    #[xml(text_child)]
    pub label: Vec<String>,
    /// An element of another namespace.
    #[xml(text_child, name = "q:extra")]
    pub extra: Option<String>,
}

impl Disk {
    fn is_cdrom(&self) -> bool {
        self.device.as_deref() == Some("cdrom")
    }
}

/// What many elements end with.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Info {
    /// Not for all.
    #[xml(attribute_child = "order", on_request)]
    pub boot: Option<u32>,
    /// For all.
    #[xml(attribute_child = "name")]
    pub alias: Option<String>,
}

/// An element with all of [`Info`].
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Bootable {
    /// All of it.
    #[xml(flatten, with = "boot")]
    pub info: Info,
}

/// An element with the common part of [`Info`].
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Plain {
    /// The common part.
    #[xml(flatten)]
    pub info: Info,
}

/// What is behind a folder, said by `<source>`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Directory {
    /// The folder.
    #[xml(attribute)]
    pub dir: Option<String>,
}

/// What is behind a folder, said by `<source>`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Socket {
    /// The socket.
    #[xml(attribute)]
    pub socket: Option<String>,
    /// A port.
    #[xml(attribute_child = "number")]
    pub port: Option<u32>,
}

/// Either of them.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "type", default = "dir", quiet)]
pub enum Shared {
    /// A folder.
    #[xml(word = "dir")]
    Directory(Directory),
    /// A socket.
    #[xml(word = "socket")]
    Socket(Socket),
}

/// A shared folder: the key stands here, the rest in `<source>`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Folder {
    /// How it is shared.
    #[xml(attribute)]
    pub mode: Option<String>,
    /// Before the source.
    #[xml(flag)]
    pub before: bool,
    /// What is shared.
    #[xml(flatten, key_first, within = "source")]
    pub shared: Shared,
    /// Behind the source.
    #[xml(flag)]
    pub behind: bool,
}

/// A queue.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Queue {
    /// Its number.
    #[xml(attribute)]
    pub id: Option<u32>,
}

/// A size in bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Size(u64);

impl Value for Size {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        base::size::parse(text, base::Unit::KIB).map(|bytes| Some(Self(bytes)))
    }

    fn write(&self, out: &mut String) {
        out.push_str(&format!("{} B", self.0));
    }

    fn datatype() -> Datatype {
        Datatype::Unsigned
    }
}

/// Sizes in all places where one can be.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Sizes {
    /// An attribute.
    #[xml(attribute, unit)]
    pub size: Option<Size>,
    /// Behind the size.
    #[xml(attribute)]
    pub node: Option<u32>,
    /// A child.
    #[xml(text_child, unit)]
    pub line: Option<Size>,
    /// Whether it is on.
    #[xml(attribute_child = "state", absent = "on")]
    pub state: Option<OnOff>,
}

/// An element that may say nothing.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(drop_if = Quiet::is_quiet)]
pub struct Quiet {
    /// A number, of which 0 says nothing.
    #[xml(attribute)]
    pub number: u32,
}

impl Quiet {
    fn is_quiet(&self) -> bool {
        self.number == 0
    }
}

/// An element with such elements in it.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Quiets {
    /// All that say something.
    #[xml(child, name = "quiet")]
    pub quiets: Vec<Quiet>,
}

/// An element that takes what it knows and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(closed, ignores = "state seen", finish = Closed::finish)]
pub struct Closed {
    /// A number.
    #[xml(attribute)]
    pub number: u32,
}

impl Closed {
    fn finish(&mut self, _el: El<'_>, _reader: &mut Reader) {
        self.number += 1;
    }
}

/// An element that holds another's content.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Holder {
    /// In an element of its own.
    #[xml(child, open)]
    pub child: Option<Plain>,
    /// In this element.
    #[xml(flatten)]
    pub closed: Closed,
}

/// A place that is said twice.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Twice::finish)]
pub struct Twice {
    /// The first of the numbers once more, or the only one.
    #[xml(attribute, print_with = Twice::first)]
    pub first: Option<Elsewhere<u32>>,
    /// The numbers.
    #[xml(text_child)]
    pub number: Vec<u32>,
}

impl Twice {
    fn first(&self) -> Option<String> {
        self.number.first().map(u32::to_string)
    }

    fn finish(&mut self, el: El<'_>, _reader: &mut Reader) {
        if self.number.is_empty() {
            self.number.extend(el.attribute("first").and_then(|text| text.parse::<u32>().ok()));
        }
    }
}

fn read(text: &str) -> (Disk, Vec<Problem>) {
    xml::read(&Source::new("a.xml", text), "disk", NAMESPACES).unwrap()
}

/// Each problem as `line:column: message`.
fn problems(text: &str) -> Vec<String> {
    let source = Source::new("a.xml", text);
    let problems = match xml::read::<Disk>(&source, "disk", NAMESPACES) {
        Ok((_, problems)) => problems,
        Err(problems) => problems,
    };
    problems
        .iter()
        .map(|problem| {
            let place = source.place(problem.origin, &problem.part).unwrap();
            format!("{}:{}: {problem}", place.line, place.column)
        })
        .collect()
}

const WHOLE: &str = "\
<disk type='block' device='cdrom' tray='on'>
  <driver name='qemu' cache='none'/>
  <source dev='/dev/sda'/>
  <readonly/>
  <queues>
    <queue id='1'/>
    <queue id='0'/>
  </queues>
  <label>a &amp; b</label>
  <label>c</label>
  <q:extra>e</q:extra>
</disk>
";

#[test]
fn input_in_any_order_prints_in_the_order_of_the_fields() {
    let shuffled = "<disk tray='on' xmlns:z='urn:q' device='cdrom' type='block'>\
        <label>a &amp; b</label><z:extra>e</z:extra><queues><queue id='1'/><queue id='0'/></queues>\
        <readonly/><label>c</label><source dev='/dev/sda'/><driver cache='none' name='qemu'/></disk>";

    let (disk, problems) = read(shuffled);

    assert_eq!(problems, []);
    assert_eq!(xml::print(&disk, "disk"), WHOLE);
}

#[test]
fn what_was_printed_reads_back_as_the_same_value() {
    let text = WHOLE.replacen("<disk ", "<disk xmlns:q='urn:q' ", 1);
    let (disk, _) = read(&text);
    let again = xml::print(&disk, "disk").replacen("<disk ", "<disk xmlns:q='urn:q' ", 1);
    assert_eq!(read(&again).0, disk);
}

#[test]
fn a_missing_key_means_its_default() {
    let (disk, _) = read("<disk><source file='/a'/></disk>");
    assert_eq!(disk.backend, Backend::File(FileSource { file: Some("/a".to_owned()) }));
    assert_eq!(xml::print(&disk, "disk"), "<disk type='file'>\n  <source file='/a'/>\n</disk>\n");
}

#[test]
fn where_an_element_came_from_does_not_take_part_in_comparisons() {
    let (one, _) = read("<disk/>");
    let (other, _) = read("\n\n<!-- x --><disk/>");
    assert_eq!(one, other);
    assert!(matches!(one.origin, Origin::Element(_)));
}

#[test]
fn unknown_names_are_reported_with_their_place_and_a_guess() {
    let text =
        "<disk devise='cdrom'>\n  <drivr name='q'/>\n  <e xmlns='urn:other'/>\n  text\n</disk>";
    assert_eq!(
        problems(text),
        [
            "1:7: unknown attribute 'devise' in <disk>; did you mean 'device'?",
            "4:3: the text in <disk> has no effect",
            "2:3: unknown element <drivr> in <disk>; did you mean <driver>?",
            "3:3: unknown element <e> in <disk>",
        ]
    );
}

#[test]
fn names_at_the_wrong_place_are_told_where_they_belong() {
    assert_eq!(
        problems("<disk cache='none'>\n  <driver name='q'><queue id='1'/></driver></disk>"),
        [
            "1:7: unknown attribute 'cache' in <disk>; it belongs to <driver>",
            "2:20: unknown element <queue> in <driver>; it belongs into <queues>",
        ]
    );
}

#[test]
fn what_a_condition_leaves_unread_is_reported_as_without_effect() {
    assert_eq!(problems("<disk tray='on'/>"), ["1:7: 'tray' has no effect on this <disk>"]);
}

#[test]
fn every_bad_value_is_reported_and_says_what_would_do() {
    assert_eq!(
        problems(
            "<disk type='blok'><driver name='q' cache='wrong'/>\n<queues><queue id='x'/></queues></disk>"
        ),
        [
            "1:13: 'blok' is not a value of 'type' in <disk>: expected one of: file, block, null; \
             did you mean 'block'?",
            "1:43: 'wrong' is not a value of 'cache' in <driver>: expected one of: none, writeback",
            "2:20: 'x' is not a value of 'id' in <queue>: expected a number from 0 to 4294967295",
        ]
    );
}

#[test]
fn a_missing_required_attribute_is_an_error_at_its_element() {
    let source = Source::new("a.xml", "<disk>\n  <driver/></disk>");
    let problems = xml::read::<Disk>(&source, "disk", NAMESPACES).unwrap_err();
    assert_eq!(problems[0].message, "<driver> needs attribute 'name'");
    assert_eq!(source.place(problems[0].origin, &Part::Name).unwrap().line, 2);
}

#[test]
fn a_second_element_where_one_is_read_is_reported() {
    let (disk, problems) = read("<disk><driver name='a'/><driver name='b'/></disk>");
    assert_eq!(disk.driver.unwrap().name, "a");
    assert_eq!(problems[0].message, "<driver> appears more than once in <disk>");
}

#[test]
fn a_field_on_request_is_read_where_it_is_asked_for() {
    let source = Source::new("a.xml", "<x><boot order='1'/><alias name='ua-a'/></x>");
    let (bootable, problems) = xml::read::<Bootable>(&source, "x", &[]).unwrap();
    assert_eq!((bootable.info.boot, problems), (Some(1), vec![]));

    let (plain, problems) = xml::read::<Plain>(&source, "x", &[]).unwrap();
    assert_eq!(plain.info.boot, None);
    assert_eq!(problems[0].message, "<boot> has no effect in this <x>");
}

#[test]
fn an_attribute_that_is_kept_elsewhere_prints_what_is_there() {
    let source = Source::new("a.xml", "<x first='7'/>");
    let (twice, _) = xml::read::<Twice>(&source, "x", &[]).unwrap();
    assert_eq!(xml::print(&twice, "x"), "<x first='7'>\n  <number>7</number>\n</x>\n");
    assert_eq!(xml::print(&Twice::default(), "x"), "<x/>\n");
    let source = Source::new("a.xml", "<x first='a'/>");
    assert!(xml::read::<Twice>(&source, "x", &[]).is_err());
}

#[test]
fn what_is_ignored_is_not_reported_and_the_finish_of_a_flattened_struct_is_called() {
    let source = Source::new("a.xml", "<x number='1' state='on'><seen/><child/></x>");
    let (holder, problems) = xml::read::<Holder>(&source, "x", &[]).unwrap();
    assert_eq!(problems, []);
    assert_eq!(xml::print(&holder, "x"), "<x number='2'>\n  <child>\n  </child>\n</x>\n");
}

#[test]
fn a_size_has_its_unit_beside_it() {
    let source = Source::new("a.xml", "<x node='2' size='1' unit='M'><line>3</line><state/></x>");
    let (sizes, problems) = xml::read::<Sizes>(&source, "x", &[]).unwrap();
    assert_eq!(problems, []);
    assert_eq!(
        xml::print(&sizes, "x"),
        "<x size='1048576' unit='B' node='2'>\n  <line unit='B'>3072</line>\n  \
         <state state='on'/>\n</x>\n"
    );
}

#[test]
fn an_element_that_says_nothing_is_as_good_as_absent() {
    let source = Source::new("a.xml", "<x><quiet number='1'/><quiet number='0'/></x>");
    let (quiets, problems) = xml::read::<Quiets>(&source, "x", &[]).unwrap();
    assert_eq!((quiets.quiets, problems), (vec![Quiet { number: 1 }], vec![]));
}

#[test]
fn an_unknown_child_of_a_closed_element_is_an_error() {
    let source = Source::new("a.xml", "<x><chid/></x>");
    let problems = xml::read::<Holder>(&source, "x", &[]).unwrap_err();
    assert_eq!(problems[0].to_string(), "unknown element <chid> in <x>; did you mean <child>?");
}

#[test]
fn what_a_variant_ignores_is_not_reported_on_it_alone() {
    assert_eq!(problems("<disk type='null' path='a'/>"), Vec::<String>::new());
    assert_eq!(problems("<disk path='a'/>"), ["1:7: unknown attribute 'path' in <disk>"]);
}

#[test]
fn what_belongs_to_another_variant_is_reported_as_without_effect() {
    assert_eq!(
        problems("<disk type='null'><source dev='a'/></disk>"),
        ["1:19: <source> has no effect in this <disk>"]
    );
}

#[test]
fn the_content_of_a_variant_may_sit_in_an_element_of_its_own() {
    let text = "<folder type='socket' mode='a'>\n  <before/>\n  <source socket='/s'>\n    \
        <port number='7'/>\n  </source>\n  <behind/>\n</folder>\n";
    let (folder, problems) = xml::read::<Folder>(&Source::new("a", text), "folder", &[]).unwrap();
    assert_eq!(problems, []);
    assert_eq!(folder.shared.word(), "socket");
    assert_eq!(xml::print(&folder, "folder"), text);

    let other = Source::new("a", "<folder><source dir='/d' socket='/s'/><source/></folder>");
    let (folder, problems) = xml::read::<Folder>(&other, "folder", &[]).unwrap();
    assert_eq!(folder.shared, Shared::Directory(Directory { dir: Some("/d".to_owned()) }));
    assert_eq!(xml::print(&folder, "folder"), "<folder>\n  <source dir='/d'/>\n</folder>\n");
    assert_eq!(problems[0].message, "'socket' has no effect on this <source>");
    assert_eq!(problems[1].message, "<source> appears more than once in <folder>");
}

#[test]
fn the_schema_names_every_attribute_and_word() {
    let mut grammar = Grammar::default();
    let content = Disk::pattern(&mut grammar);
    let schema = grammar.to_text("disk", &content, &[]);
    for part in
        ["<define name='derive.Backend'>", "<value>writeback</value>", "<element name='queues'>"]
    {
        assert!(schema.contains(part), "{part} is not in\n{schema}");
    }
}

/// A device whose file source has a `<readonly>` of its own.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct OwnFlag {
    /// That of the source.
    #[xml(flag)]
    pub readonly: bool,
}

/// Where a device comes from.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "type")]
pub enum Origins {
    /// Nowhere.
    #[xml(word = "none")]
    None,
    /// The host.
    #[xml(word = "host")]
    Host(OwnFlag),
}

/// A device with a `<readonly>`, unless its source has one.
#[derive(Clone, Debug, PartialEq, Xml)]
pub struct Device {
    /// Where it comes from.
    #[xml(flatten, key_first)]
    pub origins: Origins,
    /// That of the device.
    #[xml(flag)]
    pub readonly: bool,
}

impl Default for Device {
    fn default() -> Self {
        Self { origins: Origins::None, readonly: false }
    }
}

#[test]
fn the_schema_has_an_element_of_two_owners_once_in_each_variant() {
    let mut grammar = Grammar::default();
    let content = Device::pattern(&mut grammar);
    let schema = grammar.to_text("device", &content, &[]);
    let device = schema.split("<define name='derive.Device'>").nth(1).unwrap();
    let device = device.split("</define>").next().unwrap();

    let variants: Vec<&str> = device.split("<value>").skip(1).collect();

    assert!(variants[0].contains("<element name='readonly'>"), "{device}");
    assert!(variants[1].contains("<ref name='derive.OwnFlag'/>"), "{device}");
    assert!(!variants[1].contains("<element name='readonly'>"), "{device}");
}
