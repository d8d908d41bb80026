//! Keys of a keyboard, by the codes that others know them by.

mod table;

use serde_json::{Value, json};

use base::words;
use table::{KEYS, NO, OTHERS};

words! {
    /// A set of codes for keys.
    ///
    /// libvirt: `virKeycodeSet`, and QEMU's own names.
    pub enum Codeset {
        /// Linux: `KEY_LEFTCTRL` or 29, of `linux/input-event-codes.h`.
        Linux = "linux",
        /// The same as `atset1`.
        Xt = "xt",
        /// What a keyboard of the PC sends to an AT that asks for set 1, with 0xe000 for keys that send
        /// 0xe0 before.
        AtSet1 = "atset1",
        /// The same of set 2.
        AtSet2 = "atset2",
        /// The same of set 3.
        AtSet3 = "atset3",
        /// macOS: `ANSI_A` or 0.
        OsX = "os_x",
        /// As `atset1`, but with 0x100 for 0xe000.
        XtKbd = "xt_kbd",
        /// USB: usages of the page "keyboard" of the HID usage tables.
        Usb = "usb",
        /// Windows: `VK_RETURN` or 13.
        Win32 = "win32",
        /// As `atset1`, but with 0x80 for 0xe000 (VNC's RFB).
        Rfb = "rfb",
        /// The same.
        Qnum = "qnum",
        /// QEMU's names: `ctrl`, `ret`.
        Qemu = "qemu",
    }
}

/// A key with its codes, [`NO`] where a set has none, and its names, which may be empty.
#[derive(Clone, Copy, Debug)]
struct Key {
    linux: u16,
    name: &'static str,
    /// Of the sets 1, 2 and 3.
    at: [u16; 3],
    usb: u16,
    os_x: (&'static str, u16),
    win32: (&'static str, u16),
}

/// The two keys whose codes of set 1 have the highest bit and nothing before them: Hangeul and Hanja.
const HIGH: [u16; 2] = [0xf1, 0xf2];

impl Key {
    /// Its name and its code in a set.
    fn of(&self, codeset: Codeset) -> (&'static str, u16) {
        match codeset {
            Codeset::Linux => (self.name, self.linux),
            Codeset::Xt | Codeset::AtSet1 => ("", self.at[0]),
            Codeset::AtSet2 => ("", self.at[1]),
            Codeset::AtSet3 => ("", self.at[2]),
            Codeset::OsX => self.os_x,
            Codeset::XtKbd if self.at[0] >> 8 == 0xe0 => ("", 0x100 | self.at[0] & 0x7f),
            Codeset::XtKbd => ("", self.at[0]),
            Codeset::Usb => ("", self.usb),
            Codeset::Win32 => self.win32,
            Codeset::Rfb | Codeset::Qnum => ("", self.number()),
            Codeset::Qemu => ("", NO),
        }
    }

    /// QEMU's number for it.
    ///
    /// keycodemapdb: `derive_data` in `tools/keymap-gen`.
    fn number(&self) -> u16 {
        match self.at[0] {
            code if HIGH.contains(&code) => code & 0x7f,
            code if code > 0x7f => 0x80 | code & 0x7f,
            code => code,
        }
    }
}

/// How QEMU's `send-key` takes a key.
///
/// libvirt: `virKeycodeValueFromString`, `virKeycodeValueTranslate`.
///
/// # Errors
/// What a key of that set is written like, and which name is near.
pub fn for_qemu(codeset: Codeset, key: &str) -> Result<Value, String> {
    let number = match key.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => key.parse().ok(),
    };
    let found = match (codeset, number) {
        // QEMU knows its own names and numbers best.
        (Codeset::Qemu, _) => return Ok(json!({ "type": "qcode", "data": key })),
        (Codeset::Rfb | Codeset::Qnum, Some(number)) => Some(number),
        _ => {
            let is_it = |(name, code): (&str, u16)| match number {
                Some(number) => code == number && code != NO,
                None => !name.is_empty() && name == key,
            };
            let other = OTHERS
                .iter()
                .find(|(of, name, code, _)| *of == codeset && is_it((name, *code)))
                .map(|(.., linux)| *linux);
            KEYS.iter()
                .find(|known| is_it(known.of(codeset)) || Some(known.linux) == other)
                .map(Key::number)
        }
    };
    let number = found.ok_or_else(|| unknown(codeset, key))?;
    Ok(json!({ "type": "number", "data": number }))
}

fn unknown(codeset: Codeset, key: &str) -> String {
    let names = KEYS.iter().map(|known| known.of(codeset).0).filter(|name| !name.is_empty());
    let expected = match codeset {
        Codeset::Linux => "a name such as KEY_ENTER or a number".to_owned(),
        Codeset::OsX => "a name such as Return or a number".to_owned(),
        Codeset::Win32 => "a name such as VK_RETURN or a number".to_owned(),
        _ => format!("a number of the set '{codeset}'"),
    };
    match base::words::nearest(names, key) {
        Some(near) => format!("there is no key '{key}'; did you mean '{near}'?"),
        None => format!("there is no key '{key}': expected {expected}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(codeset: Codeset, key: &str) -> Option<u64> {
        for_qemu(codeset, key).ok()?["data"].as_u64()
    }

    #[test]
    fn a_key_is_found_by_name_and_number_of_each_set() {
        for (codeset, enter, delete) in [
            (Codeset::Linux, "KEY_ENTER", "KEY_DELETE"),
            (Codeset::Linux, "28", "0x6f"),
            (Codeset::Xt, "0x1c", "0xe053"),
            (Codeset::AtSet1, "0x1c", "0xe053"),
            (Codeset::AtSet2, "0x5a", "0xe071"),
            (Codeset::AtSet3, "0x5a", "0x64"),
            (Codeset::OsX, "Return", "ForwardDelete"),
            (Codeset::OsX, "0x24", "0x75"),
            (Codeset::XtKbd, "0x1c", "0x153"),
            (Codeset::Usb, "0x28", "0x4c"),
            (Codeset::Win32, "VK_RETURN", "VK_DELETE"),
            (Codeset::Win32, "13", "46"),
            (Codeset::Rfb, "0x1c", "0xd3"),
            (Codeset::Qnum, "28", "0xd3"),
        ] {
            let found = (number(codeset, enter), number(codeset, delete));
            assert_eq!(found, (Some(0x1c), Some(0xd3)), "{codeset} {enter} {delete}");
        }
        assert_eq!(
            for_qemu(Codeset::Qemu, "ret").unwrap(),
            json!({ "type": "qcode", "data": "ret" })
        );
        // macOS counts from 0.
        assert_eq!(number(Codeset::OsX, "0"), number(Codeset::Linux, "KEY_A"));
        assert_eq!(number(Codeset::Win32, "VK_LCONTROL"), number(Codeset::Linux, "KEY_LEFTCTRL"));
        assert_eq!(number(Codeset::Usb, "0x31"), number(Codeset::Usb, "0x32"));
        assert_eq!(number(Codeset::Linux, "KEY_HANGEUL"), Some(0x72));
    }

    #[test]
    fn a_key_that_is_not_there_is_named_with_what_is_near() {
        let error = for_qemu(Codeset::Linux, "KEY_ENTR").unwrap_err();
        assert_eq!(error, "there is no key 'KEY_ENTR'; did you mean 'KEY_ENTER'?");
        let error = for_qemu(Codeset::Win32, "VK_RETRUN").unwrap_err();
        assert_eq!(error, "there is no key 'VK_RETRUN'; did you mean 'VK_RETURN'?");
        assert!(for_qemu(Codeset::Linux, "!").unwrap_err().contains("such as KEY_ENTER or a"));
        for (codeset, key) in [
            (Codeset::Usb, "ENTER"),
            (Codeset::Usb, "0"),
            (Codeset::Linux, ""),
            (Codeset::Linux, "65535"),
            (Codeset::AtSet2, "-1"),
            (Codeset::Qnum, "KEY_ENTER"),
        ] {
            assert!(for_qemu(codeset, key).is_err(), "{codeset} {key}");
        }
    }

    #[test]
    fn no_key_stands_twice_and_each_has_a_number() {
        for pair in KEYS.windows(2) {
            assert!(pair[0].linux < pair[1].linux, "{pair:?}");
        }
        for key in KEYS {
            assert!((1..0x100).contains(&key.number()), "{key:?}");
        }
    }
}
