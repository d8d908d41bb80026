//! `<sysinfo>`: SMBIOS strings and firmware configuration entries.

use base::{Datatype, NonEmpty, Value, words, words::Words};
use xml::{Cursor, El, Grammar, Origin, Part, Pattern, Problem, Reader, Tag, Xml};

/// `<sysinfo>`.
///
/// libvirt: `virSysinfoParseXML`, `virSysinfoFormat` in `src/util/virsysinfo.c`.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "type")]
pub enum Sysinfo {
    /// SMBIOS strings.
    #[xml(word = "smbios")]
    Smbios(Box<Smbios>),
    /// Firmware configuration entries.
    #[xml(word = "fwcfg")]
    Fwcfg(Fwcfg),
}

/// `type='smbios'`: what the guest reads about the machine.
///
/// QEMU: `-smbios`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Smbios::finish)]
pub struct Smbios {
    /// Where it was written.
    pub origin: Origin,
    /// The firmware.
    #[xml(child)]
    pub bios: Option<Entries<BiosEntry>>,
    /// The machine.
    #[xml(child)]
    pub system: Option<Entries<SystemEntry>>,
    /// The boards.
    #[xml(child, name = "baseBoard")]
    pub base_boards: Vec<Entries<BaseBoardEntry>>,
    /// The case.
    #[xml(child)]
    pub chassis: Option<Entries<ChassisEntry>>,
    /// Strings of the maker.
    #[xml(child, name = "oemStrings")]
    pub oem_strings: Option<OemStrings>,
}

impl Smbios {
    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        let Some(bios) = &self.bios else { return };
        if let Some(date) = bios.get(BiosEntry::Date).filter(|date| !is_date(date)) {
            reader.push(
                Problem::error(
                    bios.origin,
                    Part::Within("entry=date".to_owned()),
                    format!("'{date}' is not a date of a BIOS"),
                )
                .expected("mm/dd/yyyy or mm/dd/yy"),
            );
        }
    }
}

/// Whether it is month, day and year; a year of two digits is one of the last century.
///
/// libvirt: `virSysinfoBIOSParseXML`.
fn is_date(text: &str) -> bool {
    let numbers: Vec<Option<u32>> = text.split('/').map(|part| part.parse().ok()).collect();
    matches!(
        numbers[..],
        [Some(1..=12), Some(1..=31), Some(year)] if !(100..1900).contains(&year)
    )
}

words! {
    /// What is said of the firmware.
    pub enum BiosEntry {
        /// Its maker.
        Vendor = "vendor",
        /// Its version.
        Version = "version",
        /// Its date, `mm/dd/yyyy` or `mm/dd/yy`.
        Date = "date",
        /// Its release, such as `1.2`.
        Release = "release",
    }
}

words! {
    /// What is said of the machine.
    pub enum SystemEntry {
        /// Its maker.
        Manufacturer = "manufacturer",
        /// Its name.
        Product = "product",
        /// Its version.
        Version = "version",
        /// Its serial number.
        Serial = "serial",
        /// Its UUID, which is the domain's.
        Uuid = "uuid",
        /// The number it is sold under.
        Sku = "sku",
        /// The family of products it belongs to.
        Family = "family",
    }
}

words! {
    /// What is said of a board.
    pub enum BaseBoardEntry {
        /// Its maker.
        Manufacturer = "manufacturer",
        /// Its name.
        Product = "product",
        /// Its version.
        Version = "version",
        /// Its serial number.
        Serial = "serial",
        /// The number its owner has given it.
        Asset = "asset",
        /// Where in the case it is.
        Location = "location",
    }
}

words! {
    /// What is said of the case.
    pub enum ChassisEntry {
        /// Its maker.
        Manufacturer = "manufacturer",
        /// Its version.
        Version = "version",
        /// Its serial number.
        Serial = "serial",
        /// The number its owner has given it.
        Asset = "asset",
        /// The number it is sold under.
        Sku = "sku",
    }
}

/// `<entry name='…'>` elements, each name at most once, in the order of the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries<N> {
    /// Where it was written.
    pub origin: Origin,
    entries: Vec<(N, String)>,
}

impl<N> Default for Entries<N> {
    fn default() -> Self {
        Self { origin: Origin::None, entries: Vec::new() }
    }
}

impl<N: Words> Entries<N> {
    /// What is said under this name.
    pub fn get(&self, name: N) -> Option<&str> {
        self.entries.iter().find(|(found, _)| *found == name).map(|(_, text)| text.as_str())
    }

    /// All that is said, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (N, &str)> {
        self.entries.iter().map(|(name, text)| (*name, text.as_str()))
    }
}

/// Reads one `<entry name='…'>`; one without a name that is known has no effect.
fn entry<N: Words + Value>(el: El<'_>, reader: &mut Reader) -> Option<(N, String)> {
    let mut cursor = Cursor::new(el);
    let text = cursor.text();
    let written = cursor.attribute("name").unwrap_or_default();
    cursor.finish(reader);
    match N::parse(written) {
        Ok(name) => Some((name?, text.into_owned())),
        Err(bad) => {
            let part = Part::Attribute("name".to_owned());
            let message = format!("an <entry> called '{written}' has no effect");
            reader.push(Problem::warning(el.origin(), part, message).expected(bad.expected));
            None
        }
    }
}

impl<N: Words + Value> Xml for Entries<N> {
    fn read(el: El<'_>, reader: &mut Reader) -> Option<Self> {
        let mut cursor = Cursor::new(el);
        let mut entries: Vec<(N, String)> = Vec::new();
        for found in cursor.children("entry") {
            let Some((name, text)) = entry::<N>(found, reader) else { continue };
            if entries.iter().any(|(known, _)| *known == name) {
                let part = Part::Attribute("name".to_owned());
                let message = format!("entry '{}' appears more than once", name.word());
                reader.push(
                    Problem::warning(found.origin(), part, message)
                        .help("only the first one has an effect"),
                );
            } else {
                entries.push((name, text));
            }
        }
        cursor.finish(reader);
        entries.retain(|(_, text)| !text.is_empty());
        entries.sort_by_key(|(name, _)| N::ALL.iter().position(|known| known == name));
        Some(Self { origin: el.origin(), entries })
    }

    fn print(&self, tag: &mut Tag) {
        for (name, text) in self.iter() {
            tag.child("entry", |entry| {
                entry.attribute("name", name.word());
                entry.text(text);
            });
        }
    }

    fn pattern(_grammar: &mut Grammar) -> Pattern {
        let name = Pattern::Attribute("name", Box::new(Pattern::Data(N::datatype())));
        let entry = Pattern::Interleave(vec![name, Pattern::Data(Datatype::Text)]);
        Pattern::ZeroOrMore(Box::new(Pattern::Element("entry", Box::new(entry))))
    }
}

/// `<oemStrings>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct OemStrings {
    /// The strings.
    #[xml(text_child, name = "entry")]
    pub entries: Vec<String>,
}

/// `type='fwcfg'`: what the firmware reads.
///
/// QEMU: `-fw_cfg`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Fwcfg {
    /// Where it was written.
    pub origin: Origin,
    /// The entries.
    #[xml(child, name = "entry")]
    pub entries: Vec<FwcfgEntry>,
}

/// `<entry>` of a firmware configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = FwcfgEntry::finish)]
pub struct FwcfgEntry {
    /// Where it was written.
    pub origin: Origin,
    /// The name; those of users begin with `opt/`.
    #[xml(attribute, required)]
    pub name: String,
    /// A file of the host that holds what is read.
    #[xml(attribute)]
    pub file: Option<String>,
    /// What is read.
    #[xml(text)]
    pub value: Option<NonEmpty>,
}

impl FwcfgEntry {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.file.is_none() && self.value.is_none() {
            reader.push(
                Problem::error(el.origin(), Part::Name, "<entry> says nothing")
                    .expected("a text, or attribute 'file'"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    fn smbios(content: &str) -> Result<String, Vec<String>> {
        reprint::<Sysinfo>("sysinfo", &format!("<sysinfo type='smbios'>{content}</sysinfo>"))
    }

    #[test]
    fn entries_stand_in_the_order_of_their_names() {
        let printed = smbios(
            "<bios><entry name='version'>2</entry><entry name='vendor'>a</entry>\
             <entry name='date'></entry></bios><system><entry name='sku'></entry></system>",
        );
        assert_eq!(
            printed.unwrap(),
            "<sysinfo type='smbios'>\n  <bios>\n    <entry name='vendor'>a</entry>\n    \
             <entry name='version'>2</entry>\n  </bios>\n</sysinfo>\n"
        );
    }

    #[test]
    fn the_first_entry_of_a_name_counts_and_others_are_reported() {
        let text = "<sysinfo type='smbios'><bios><entry name='vendor'>a</entry>\
                    <entry name='vendor'>b</entry><entry name='x'>c</entry></bios></sysinfo>";
        let (sysinfo, problems) = read::<Sysinfo>("sysinfo", text).unwrap();
        let Sysinfo::Smbios(smbios) = sysinfo else { panic!("not SMBIOS strings") };
        assert_eq!(smbios.bios.unwrap().get(BiosEntry::Vendor), Some("a"));
        assert_eq!(
            problems,
            [
                "entry 'vendor' appears more than once; only the first one has an effect",
                "an <entry> called 'x' has no effect: expected one of: vendor, version, date, \
                 release",
            ]
        );
    }

    #[test]
    fn a_date_is_month_day_and_year() {
        let date = |text: &str| smbios(&format!("<bios><entry name='date'>{text}</entry></bios>"));
        assert!(date("12/31/2024").is_ok());
        assert!(date("1/2/99").is_ok());
        for bad in ["13/1/2000", "2024-12-31", "1/1/800", "1/1"] {
            assert!(date(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_firmware_entry_says_something() {
        let fwcfg = |entry: &str| {
            reprint::<Sysinfo>("sysinfo", &format!("<sysinfo type='fwcfg'>{entry}</sysinfo>"))
        };
        assert!(fwcfg("<entry name='opt/a'>text</entry><entry name='opt/b' file='/f'/>").is_ok());
        assert!(fwcfg("<entry name='opt/a'/>").is_err());
    }
}
