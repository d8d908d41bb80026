//! Keys of a keyboard, by the codes that others know them by.

use serde_json::{Value, json};

use base::words;

words! {
    /// A set of codes for keys.
    ///
    /// libvirt: `virKeycodeSet`, and QEMU's own names.
    pub enum Codeset {
        /// Linux: `KEY_LEFTCTRL` or 29, of `linux/input-event-codes.h`.
        Linux = "linux",
        /// USB: usages of the page "keyboard" of the HID usage tables.
        Usb = "usb",
        /// What a keyboard of the PC sends, with 0x80 for keys that send 0xe0 before (VNC's RFB).
        Rfb = "rfb",
        /// The same.
        Qnum = "qnum",
        /// QEMU's names: `ctrl`, `ret`.
        Qemu = "qemu",
    }
}

/// A key: its number on Linux and its name there without `KEY_`, QEMU's name, and its USB usage (0
/// where it has none).
///
/// Linux: `linux/input-event-codes.h`; QEMU: `QKeyCode` in `qapi/ui.json`; USB: HID usage tables,
/// chapter 10.
type Key = (u32, &'static str, &'static str, u32);

const KEYS: &[Key] = &[
    (1, "ESC", "esc", 0x29),
    (2, "1", "1", 0x1e),
    (3, "2", "2", 0x1f),
    (4, "3", "3", 0x20),
    (5, "4", "4", 0x21),
    (6, "5", "5", 0x22),
    (7, "6", "6", 0x23),
    (8, "7", "7", 0x24),
    (9, "8", "8", 0x25),
    (10, "9", "9", 0x26),
    (11, "0", "0", 0x27),
    (12, "MINUS", "minus", 0x2d),
    (13, "EQUAL", "equal", 0x2e),
    (14, "BACKSPACE", "backspace", 0x2a),
    (15, "TAB", "tab", 0x2b),
    (16, "Q", "q", 0x14),
    (17, "W", "w", 0x1a),
    (18, "E", "e", 0x08),
    (19, "R", "r", 0x15),
    (20, "T", "t", 0x17),
    (21, "Y", "y", 0x1c),
    (22, "U", "u", 0x18),
    (23, "I", "i", 0x0c),
    (24, "O", "o", 0x12),
    (25, "P", "p", 0x13),
    (26, "LEFTBRACE", "bracket_left", 0x2f),
    (27, "RIGHTBRACE", "bracket_right", 0x30),
    (28, "ENTER", "ret", 0x28),
    (29, "LEFTCTRL", "ctrl", 0xe0),
    (30, "A", "a", 0x04),
    (31, "S", "s", 0x16),
    (32, "D", "d", 0x07),
    (33, "F", "f", 0x09),
    (34, "G", "g", 0x0a),
    (35, "H", "h", 0x0b),
    (36, "J", "j", 0x0d),
    (37, "K", "k", 0x0e),
    (38, "L", "l", 0x0f),
    (39, "SEMICOLON", "semicolon", 0x33),
    (40, "APOSTROPHE", "apostrophe", 0x34),
    (41, "GRAVE", "grave_accent", 0x35),
    (42, "LEFTSHIFT", "shift", 0xe1),
    (43, "BACKSLASH", "backslash", 0x31),
    (44, "Z", "z", 0x1d),
    (45, "X", "x", 0x1b),
    (46, "C", "c", 0x06),
    (47, "V", "v", 0x19),
    (48, "B", "b", 0x05),
    (49, "N", "n", 0x11),
    (50, "M", "m", 0x10),
    (51, "COMMA", "comma", 0x36),
    (52, "DOT", "dot", 0x37),
    (53, "SLASH", "slash", 0x38),
    (54, "RIGHTSHIFT", "shift_r", 0xe5),
    (55, "KPASTERISK", "kp_multiply", 0x55),
    (56, "LEFTALT", "alt", 0xe2),
    (57, "SPACE", "spc", 0x2c),
    (58, "CAPSLOCK", "caps_lock", 0x39),
    (59, "F1", "f1", 0x3a),
    (60, "F2", "f2", 0x3b),
    (61, "F3", "f3", 0x3c),
    (62, "F4", "f4", 0x3d),
    (63, "F5", "f5", 0x3e),
    (64, "F6", "f6", 0x3f),
    (65, "F7", "f7", 0x40),
    (66, "F8", "f8", 0x41),
    (67, "F9", "f9", 0x42),
    (68, "F10", "f10", 0x43),
    (69, "NUMLOCK", "num_lock", 0x53),
    (70, "SCROLLLOCK", "scroll_lock", 0x47),
    (71, "KP7", "kp_7", 0x5f),
    (72, "KP8", "kp_8", 0x60),
    (73, "KP9", "kp_9", 0x61),
    (74, "KPMINUS", "kp_subtract", 0x56),
    (75, "KP4", "kp_4", 0x5c),
    (76, "KP5", "kp_5", 0x5d),
    (77, "KP6", "kp_6", 0x5e),
    (78, "KPPLUS", "kp_add", 0x57),
    (79, "KP1", "kp_1", 0x59),
    (80, "KP2", "kp_2", 0x5a),
    (81, "KP3", "kp_3", 0x5b),
    (82, "KP0", "kp_0", 0x62),
    (83, "KPDOT", "kp_decimal", 0x63),
    (86, "102ND", "less", 0x64),
    (87, "F11", "f11", 0x44),
    (88, "F12", "f12", 0x45),
    (89, "RO", "ro", 0x87),
    (91, "HIRAGANA", "hiragana", 0x93),
    (92, "HENKAN", "henkan", 0x8a),
    (93, "KATAKANAHIRAGANA", "katakanahiragana", 0x88),
    (94, "MUHENKAN", "muhenkan", 0x8b),
    (96, "KPENTER", "kp_enter", 0x58),
    (97, "RIGHTCTRL", "ctrl_r", 0xe4),
    (98, "KPSLASH", "kp_divide", 0x54),
    (99, "SYSRQ", "sysrq", 0x46),
    (100, "RIGHTALT", "alt_r", 0xe6),
    (102, "HOME", "home", 0x4a),
    (103, "UP", "up", 0x52),
    (104, "PAGEUP", "pgup", 0x4b),
    (105, "LEFT", "left", 0x50),
    (106, "RIGHT", "right", 0x4f),
    (107, "END", "end", 0x4d),
    (108, "DOWN", "down", 0x51),
    (109, "PAGEDOWN", "pgdn", 0x4e),
    (110, "INSERT", "insert", 0x49),
    (111, "DELETE", "delete", 0x4c),
    (113, "MUTE", "audiomute", 0x7f),
    (114, "VOLUMEDOWN", "volumedown", 0x81),
    (115, "VOLUMEUP", "volumeup", 0x80),
    (116, "POWER", "power", 0x66),
    (117, "KPEQUAL", "kp_equals", 0x67),
    (119, "PAUSE", "pause", 0x48),
    (121, "KPCOMMA", "kp_comma", 0x85),
    (124, "YEN", "yen", 0x89),
    (125, "LEFTMETA", "meta_l", 0xe3),
    (126, "RIGHTMETA", "meta_r", 0xe7),
    (127, "COMPOSE", "compose", 0x65),
    (128, "STOP", "stop", 0x78),
    (129, "AGAIN", "again", 0x79),
    (131, "UNDO", "undo", 0x7a),
    (133, "COPY", "copy", 0x7c),
    (135, "PASTE", "paste", 0x7d),
    (136, "FIND", "find", 0x7e),
    (137, "CUT", "cut", 0x7b),
    (138, "HELP", "help", 0x75),
    (139, "MENU", "menu", 0x76),
    (142, "SLEEP", "sleep", 0),
    (143, "WAKEUP", "wake", 0),
];

/// How QEMU's `send-key` takes a key.
///
/// # Errors
/// What a key of that set is written like, and which name is near.
pub fn for_qemu(codeset: Codeset, key: &str) -> Result<Value, String> {
    let number = match key.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => key.parse().ok(),
    };
    let qcode = |name: &str| json!({ "type": "qcode", "data": name });
    let found = match (codeset, number) {
        (Codeset::Linux, Some(number)) => KEYS.iter().find(|known| known.0 == number),
        (Codeset::Linux, None) => {
            KEYS.iter().find(|known| key.strip_prefix("KEY_") == Some(known.1))
        }
        (Codeset::Usb, Some(number)) => KEYS.iter().find(|known| known.3 == number && number > 0),
        (Codeset::Rfb | Codeset::Qnum, Some(number)) => {
            return Ok(json!({ "type": "number", "data": number }));
        }
        // QEMU knows its own names best.
        (Codeset::Qemu, _) => return Ok(qcode(key)),
        (Codeset::Usb | Codeset::Rfb | Codeset::Qnum, None) => None,
    };
    found.map(|(_, _, name, _)| qcode(name)).ok_or_else(|| unknown(codeset, key))
}

fn unknown(codeset: Codeset, key: &str) -> String {
    let names: Vec<String> = KEYS.iter().map(|known| format!("KEY_{}", known.1)).collect();
    match codeset {
        Codeset::Linux => match base::words::nearest(names.iter().map(String::as_str), key) {
            Some(near) => format!("there is no key '{key}'; did you mean '{near}'?"),
            None => {
                format!("there is no key '{key}': expected a name such as KEY_ENTER or a number")
            }
        },
        _ => format!("there is no key '{key}': expected a number of the set '{codeset}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_name_and_number_of_each_set() {
        let enter = json!({ "type": "qcode", "data": "ret" });
        for (codeset, key) in [
            (Codeset::Linux, "KEY_ENTER"),
            (Codeset::Linux, "28"),
            (Codeset::Linux, "0x1c"),
            (Codeset::Usb, "0x28"),
            (Codeset::Qemu, "ret"),
        ] {
            assert_eq!(for_qemu(codeset, key).as_ref(), Ok(&enter), "{codeset} {key}");
        }
        let number = json!({ "type": "number", "data": 0xd3 });
        assert_eq!(for_qemu(Codeset::Qnum, "0xd3").unwrap(), number);
    }

    #[test]
    fn a_key_that_is_not_there_is_named_with_what_is_near() {
        let error = for_qemu(Codeset::Linux, "KEY_ENTR").unwrap_err();
        assert_eq!(error, "there is no key 'KEY_ENTR'; did you mean 'KEY_ENTER'?");
        assert!(for_qemu(Codeset::Usb, "ENTER").is_err());
        assert!(for_qemu(Codeset::Usb, "0").is_err());
    }

    #[test]
    fn no_key_stands_twice() {
        for (at, key) in KEYS.iter().enumerate() {
            for other in &KEYS[at + 1..] {
                assert!(key.0 < other.0, "{key:?} {other:?}");
                assert!(key.2 != other.2 && (key.3 != other.3 || key.3 == 0), "{key:?} {other:?}");
            }
        }
    }
}
