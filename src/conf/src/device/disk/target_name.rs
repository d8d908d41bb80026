//! Names of disks in the guest, such as `vda`, and the numbers that they stand for.

use base::{BadValue, Datatype, Value};

use crate::device::disk::target::Bus;

/// The name of a disk in the guest. It need not be of a form that stands for a number.
///
/// libvirt: `dst` of `virDomainDiskDef`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetName(String);

/// What a [`TargetName`] stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetPlace {
    /// The letters before the number: `vd`, `nvme`.
    pub prefix: &'static str,
    /// Of NVMe, the controller; 0 elsewhere.
    pub controller: u32,
    /// From 0: of `vda` 0, of `vdaa` 26; of NVMe, the name space less 1.
    pub index: u32,
    /// The digits at the end, which name a partition: no disk can have them.
    pub partition: Option<u32>,
}

/// The prefixes that a letter or a number follows.
const PREFIXES: [&str; 6] = ["fd", "hd", "vd", "sd", "xvd", "ubd"];

impl TargetName {
    /// The name of the disk with number `index` from 0.
    ///
    /// libvirt: `virIndexToDiskName`.
    pub fn of(prefix: &str, index: u32) -> Self {
        let mut letters = Vec::new();
        let mut rest = Some(index);
        while let Some(number) = rest {
            letters.push(char::from(b'a' + (number % 26) as u8));
            rest = (number / 26).checked_sub(1);
        }
        Self(prefix.chars().chain(letters.into_iter().rev()).collect())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it stands for, if it has a form that stands for something.
    ///
    /// libvirt: `virDiskNameParse`.
    pub fn place(&self) -> Option<TargetPlace> {
        if let Some(rest) = self.0.strip_prefix("nvme") {
            return nvme(rest);
        }
        let prefix = PREFIXES.into_iter().find(|prefix| self.0.starts_with(prefix))?;
        let rest = &self.0[prefix.len()..];
        let end = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
        let (letters, digits) = rest.split_at(end);
        let mut count = 0u32;
        for letter in letters.bytes() {
            count = count.checked_mul(26)?.checked_add(u32::from(letter - b'a') + 1)?;
        }
        let index = count.checked_sub(1).filter(|index| i32::try_from(*index).is_ok())?;
        let partition = if digits.is_empty() { None } else { Some(number(digits)?) };
        Some(TargetPlace { prefix, controller: 0, index, partition })
    }

    /// The number that it stands for.
    ///
    /// libvirt: `virDiskNameToIndex`.
    pub fn index(&self) -> Option<u32> {
        self.place().map(|place| place.index)
    }

    /// The bus that the name suggests where none is given and the device is no floppy drive.
    ///
    /// libvirt: `virDomainDiskDefPostParse`.
    pub fn suggested_bus(&self) -> Bus {
        match () {
            () if self.0.starts_with("hd") => Bus::Ide,
            () if self.0.starts_with("sd") => Bus::Scsi,
            () if self.0.starts_with("vd") => Bus::Virtio,
            () if self.0.starts_with("xvd") => Bus::Xen,
            () if self.0.starts_with("ubd") => Bus::Uml,
            () if self.0.starts_with("nvme") => Bus::Nvme,
            () => Bus::Ide,
        }
    }
}

/// What follows `nvme`: `0n1`, perhaps with a partition `p1`.
fn nvme(rest: &str) -> Option<TargetPlace> {
    let (controller, rest) = rest.split_once('n')?;
    let (name_space, partition) = match rest.split_once('p') {
        Some((name_space, partition)) => (name_space, Some(number(partition)?)),
        None => (rest, None),
    };
    Some(TargetPlace {
        prefix: "nvme",
        controller: number(controller)?,
        index: number(name_space)?.checked_sub(1)?,
        partition,
    })
}

fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

impl Value for TargetName {
    /// Reads any text; the `ioemu:` of old Xen in front is dropped.
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        Ok(Some(Self(text.strip_prefix("ioemu:").unwrap_or(text).to_owned())))
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }

    fn datatype() -> Datatype {
        Datatype::Text
    }
}

impl From<&str> for TargetName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_count_in_26_without_a_zero() {
        for (name, index) in
            [("vda", 0), ("sdz", 25), ("hdaa", 26), ("vdzz", 701), ("xvdaaa", 702), ("fdb", 1)]
        {
            assert_eq!(TargetName::from(name).index(), Some(index), "{name}");
        }
    }

    #[test]
    fn a_name_made_from_a_number_stands_for_it() {
        for index in [0, 25, 26, 701, 702, 18_277, 18_278, 2_147_483_647] {
            assert_eq!(TargetName::of("vd", index).index(), Some(index));
        }
    }

    #[test]
    fn a_name_of_another_form_stands_for_nothing() {
        for name in
            ["", "vd", "vd1", "VDA", "vdA", "vda1b", "qda", "hdaxxxxxxxxxx", "nvme0", "nvme0n0"]
        {
            assert_eq!(TargetName::from(name).place(), None, "{name}");
        }
    }

    #[test]
    fn digits_at_the_end_name_a_partition() {
        let place = TargetName::from("sdb12").place().unwrap();
        assert_eq!((place.index, place.partition), (1, Some(12)));
    }

    #[test]
    fn nvme_names_a_controller_and_a_name_space() {
        let place = TargetName::from("nvme2n3").place().unwrap();
        assert_eq!((place.controller, place.index, place.partition), (2, 2, None));
    }

    #[test]
    fn the_prefix_of_old_xen_is_dropped() {
        assert_eq!(TargetName::parse("ioemu:hda").unwrap().unwrap().as_str(), "hda");
    }
}
