//! Values with no opinion about XML or QEMU: sizes, CPU sets, MACs, UUIDs, PCI addresses,
//! paths, word lists, base64.

pub mod base64;
pub mod cpu_set;
mod ip;
pub mod mac;
pub mod path;
pub mod pci;
pub mod size;
pub mod switch;
pub mod uuid;
pub mod value;
pub mod words;

pub use cpu_set::CpuSet;
pub use mac::Mac;
pub use path::SanitizedPath;
pub use pci::PciAddress;
pub use size::{Bytes, Unit};
pub use switch::{OnOff, Yes, YesNo};
pub use uuid::Uuid;
pub use value::{Attribute, BadValue, Datatype, NonEmpty, Positive, Value};
