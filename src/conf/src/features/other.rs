//! Features of QEMU's interpreter and of architectures other than x86.

use base::words;
use xml::Xml;

use crate::memory::Kibibytes;

words! {
    /// A version of Arm's interrupt controller.
    pub enum GicVersion {
        /// That of the host.
        Host = "host",
        /// Version 2.
        V2 = "2",
        /// Version 3.
        V3 = "3",
    }
}

words! {
    /// How the guest can change the size of its page table, on PowerPC.
    pub enum HptResizing {
        /// If it likes.
        Enabled = "enabled",
        /// Not at all.
        Disabled = "disabled",
        /// It must be able to.
        Required = "required",
    }
}

words! {
    /// How far a processor is safe against a speculation attack, on PowerPC.
    pub enum Cfpc {
        /// Not at all.
        Broken = "broken",
        /// With software's help.
        Workaround = "workaround",
        /// By itself.
        Fixed = "fixed",
    }
}

words! {
    /// How far indirect branches are safe against speculation, on PowerPC.
    pub enum Ibs {
        /// Not at all.
        Broken = "broken",
        /// With software's help.
        Workaround = "workaround",
        /// By serialised branches.
        FixedIbs = "fixed-ibs",
        /// By a disabled count cache.
        FixedCcd = "fixed-ccd",
        /// They cannot be attacked.
        FixedNa = "fixed-na",
    }
}

words! {
    /// The interrupt architecture of RISC-V.
    pub enum InterruptArchitecture {
        /// The old one.
        None = "none",
        /// Wired interrupts.
        Aplic = "aplic",
        /// Wired and message interrupts.
        AplicImsic = "aplic-imsic",
    }
}

/// `<gic>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Gic {
    /// Its version. Absent: the best one there is.
    #[xml(attribute)]
    pub version: Option<GicVersion>,
}

/// `<hpt>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Hpt {
    /// Whether the guest can change its size.
    #[xml(attribute)]
    pub resizing: Option<HptResizing>,
    /// The largest page.
    #[xml(text_child, unit, name = "maxpagesize")]
    pub max_page_size: Option<Kibibytes>,
}

/// `<tcg>`: settings of QEMU's interpreter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Tcg {
    /// How much translated code is kept.
    #[xml(text_child, unit, name = "tb-cache")]
    pub translation_cache: Option<Kibibytes>,
}
