//! What the first bytes of an image tell.
//!
//! QEMU: `docs/interop/qcow2.rst` and the `probe` functions of `block/*.c`. The format that a
//! document names is what counts; this is to notice a wrong one, and to follow backing files.

use qemu::answers::{Image, PathKind};

/// How many bytes are looked at: a qcow2 header with its extensions and the backing file's name fits
/// into one cluster, whose default size this is.
pub(super) const HEAD: u64 = 64 << 10;

/// qcow2: the extension that names the backing file's format.
const BACKING_FORMAT: u32 = 0xe279_2aca;
/// qcow2: the extension that names the external data file.
const DATA_FILE: u32 = 0x4441_5441;

/// Looks at the first bytes of an image of `length` bytes.
pub(super) fn examine(kind: PathKind, head: &[u8], length: u64) -> Image {
    let raw = || Image {
        kind,
        format: "raw".to_owned(),
        virtual_size: (kind == PathKind::File).then_some(length),
        backing_file: None,
        backing_format: None,
        data_file: None,
    };
    match format(head) {
        "qcow2" => qcow2(kind, head).unwrap_or_else(raw),
        "raw" => raw(),
        other => Image { format: other.to_owned(), virtual_size: None, ..raw() },
    }
}

fn format(head: &[u8]) -> &'static str {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|h| h.starts_with(magic));
    if at(0, b"QFI\xfb") {
        if number32(head, 4) == Some(1) { "qcow" } else { "qcow2" }
    } else if at(0, b"QED\0") {
        "qed"
    } else if at(0, b"KDMV") || at(0, b"COWD") || at(0, b"# Disk DescriptorFile") {
        "vmdk"
    } else if at(0x40, &0xbeda_107f_u32.to_le_bytes()) {
        "vdi"
    } else if at(0, b"vhdxfile") {
        "vhdx"
    } else if at(0, b"conectix") {
        "vpc"
    } else if at(0, b"LUKS\xba\xbe") {
        "luks"
    } else if at(0, b"WithoutFreeSpace") || at(0, b"WithouFreSpacExt") {
        "parallels"
    } else {
        "raw"
    }
}

fn qcow2(kind: PathKind, head: &[u8]) -> Option<Image> {
    let version = number32(head, 4)?;
    let backing_file = match number64(head, 8)? {
        0 => None,
        offset => Some(text(head, offset as usize, number32(head, 16)? as usize)?),
    };
    let mut image = Image {
        kind,
        format: "qcow2".to_owned(),
        virtual_size: number64(head, 24),
        backing_file,
        backing_format: None,
        data_file: None,
    };
    let mut at = if version >= 3 { number32(head, 100)? as usize } else { 72 };
    while let (Some(extension), Some(length)) = (number32(head, at), number32(head, at + 4)) {
        let length = length as usize;
        match extension {
            0 => break,
            BACKING_FORMAT => image.backing_format = text(head, at + 8, length),
            DATA_FILE => image.data_file = text(head, at + 8, length),
            _ => {}
        }
        at = at.checked_add(8 + length.checked_next_multiple_of(8)?)?;
    }
    Some(image)
}

fn text(head: &[u8], start: usize, length: usize) -> Option<String> {
    String::from_utf8(head.get(start..start.checked_add(length)?)?.to_vec()).ok()
}

fn number32(head: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(head.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn number64(head: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(head.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A qcow2 header of version 3 with a backing file and its format.
    fn overlay() -> Vec<u8> {
        let mut head = vec![0; 512];
        let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"QFI\xfb");
        put(4, &3u32.to_be_bytes());
        put(8, &200u64.to_be_bytes());
        put(16, &8u32.to_be_bytes());
        put(24, &(1u64 << 30).to_be_bytes());
        put(100, &104u32.to_be_bytes());
        put(104, &BACKING_FORMAT.to_be_bytes());
        put(108, &3u32.to_be_bytes());
        put(112, b"raw");
        put(200, b"base.img");
        head
    }

    #[test]
    fn a_qcow2_header_tells_size_and_backing_file() {
        let image = examine(PathKind::File, &overlay(), 4096);
        assert_eq!(image.format, "qcow2");
        assert_eq!(image.virtual_size, Some(1 << 30));
        assert_eq!(image.backing_file.as_deref(), Some("base.img"));
        assert_eq!(image.backing_format.as_deref(), Some("raw"));
    }

    #[test]
    fn a_header_that_is_cut_off_never_panics() {
        let whole = overlay();
        for length in 0..whole.len() {
            examine(PathKind::File, &whole[..length], 0);
        }
    }

    #[test]
    fn an_extension_that_claims_too_much_ends_the_search() {
        let mut head = overlay();
        head[108..112].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(examine(PathKind::File, &head, 0).backing_format, None);
    }

    #[test]
    fn what_shows_no_format_is_raw_and_as_long_as_its_file() {
        let image = examine(PathKind::File, b"\0\0", 1024);
        assert_eq!((image.format.as_str(), image.virtual_size), ("raw", Some(1024)));
    }
}
