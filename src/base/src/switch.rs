//! The two ways libvirt spells a choice of two: `on`/`off` and `yes`/`no`, never mixed.

crate::words! {
    /// `on` or `off`. libvirt: `virTristateSwitch`.
    pub enum OnOff {
        /// On.
        On = "on",
        /// Off.
        Off = "off",
    }
}

crate::words! {
    /// `yes` or `no`. libvirt: `virTristateBool`.
    pub enum YesNo {
        /// Yes.
        Yes = "yes",
        /// No.
        No = "no",
    }
}

crate::words! {
    /// `yes`, where `no` means the same as saying nothing.
    pub enum Yes unset "no" {
        /// Yes.
        Yes = "yes",
    }
}

impl From<OnOff> for bool {
    fn from(value: OnOff) -> Self {
        value == OnOff::On
    }
}

impl From<YesNo> for bool {
    fn from(value: YesNo) -> Self {
        value == YesNo::Yes
    }
}

impl From<bool> for OnOff {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

impl From<bool> for YesNo {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}
