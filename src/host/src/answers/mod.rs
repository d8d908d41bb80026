//! Looking at the things a domain names. Nothing is changed.

mod bus;
mod image;

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use qemu::answers::{Answer, LinkKind, PathKind, Question};

use crate::{opening, vfio};

/// Answers a question.
pub fn look(question: &Question) -> Answer {
    match question {
        Question::Image(path) => image_at(Path::new(path)).unwrap_or_else(|error| {
            Answer::Failed(format!("cannot open '{path}': {}", sys::reason(&error)))
        }),
        Question::Path(path) => match kind_of(Path::new(path)) {
            Ok(kind) => Answer::Path(kind),
            Err(error) => {
                Answer::Failed(format!("cannot look at '{path}': {}", sys::reason(&error)))
            }
        },
        Question::Link(name) => Answer::Link(link(name)),
        Question::Secret(secret) => match crate::secrets::find(secret) {
            Ok(found) => Answer::Secret(found),
            Err(error) => Answer::Failed(sys::reason(&error)),
        },
        Question::IoUring => Answer::Usable(sys::io_uring::works()),
        Question::Usb(wanted) => Answer::Usb(bus::usb(wanted)),
        Question::Scsi(unit) => Answer::Node(bus::scsi(unit)),
        Question::Pci(address) => match vfio::driver_of(address) {
            Some(driver) => Answer::Driver(driver),
            None => Answer::Failed(format!("this host has no PCI device {address}")),
        },
        Question::FreePort(address, from) => match opening::first_free_port(address, *from) {
            Ok((port, _)) => Answer::Port(port),
            Err(error) => Answer::Failed(sys::reason(&error)),
        },
    }
}

fn kind_of(path: &Path) -> io::Result<PathKind> {
    let kind = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(PathKind::Missing),
        metadata => metadata?.file_type(),
    };
    Ok(if kind.is_file() {
        PathKind::File
    } else if kind.is_dir() {
        PathKind::Directory
    } else if kind.is_block_device() {
        PathKind::BlockDevice
    } else if kind.is_socket() {
        PathKind::Socket
    } else if kind.is_fifo() {
        PathKind::Fifo
    } else {
        PathKind::CharacterDevice
    })
}

/// The first bytes of an image; opening a pipe or a socket for it would hang.
fn image_at(path: &Path) -> io::Result<Answer> {
    fs::metadata(path)?;
    let kind = kind_of(path)?;
    match kind {
        PathKind::File | PathKind::BlockDevice => {
            let mut head = Vec::new();
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            file.take(image::HEAD).read_to_end(&mut head)?;
            Ok(Answer::Image(image::examine(kind, &head, length)))
        }
        other => Ok(Answer::Path(other)),
    }
}

fn link(name: &str) -> LinkKind {
    let directory = Path::new("/sys/class/net").join(name);
    if name.is_empty() || name.contains('/') || !directory.exists() {
        LinkKind::Missing
    } else if directory.join("bridge").exists() {
        LinkKind::Bridge
    } else if directory.join("tun_flags").exists() {
        LinkKind::Tap
    } else if directory.join("macvtap").exists() {
        LinkKind::Macvtap
    } else {
        LinkKind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_said_to_be_missing() {
        let answer = look(&Question::Path("/does/not/exist".to_owned()));
        assert_eq!(answer, Answer::Path(PathKind::Missing));
    }

    #[test]
    fn an_image_that_is_not_there_says_why() {
        let answer = look(&Question::Image("/does/not/exist".to_owned()));
        assert_eq!(
            answer,
            Answer::Failed("cannot open '/does/not/exist': no such file or directory".to_owned())
        );
    }

    #[test]
    fn a_directory_is_no_image() {
        let answer = look(&Question::Image("/".to_owned()));
        assert_eq!(answer, Answer::Path(PathKind::Directory));
    }

    #[test]
    fn a_name_of_a_link_never_leaves_its_directory() {
        assert_eq!(link("../../block"), LinkKind::Missing);
        assert_eq!(link("lo"), LinkKind::Other);
    }
}
