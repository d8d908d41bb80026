//! Processor architectures, in libvirt's words.

use base::words;

words! {
    /// What kind of processor a guest has.
    ///
    /// libvirt: `virArch`.
    pub enum Architecture {
        /// 64-bit x86.
        X86_64 = "x86_64",
        /// 32-bit x86.
        I686 = "i686",
        /// DEC Alpha.
        Alpha = "alpha",
        /// 32-bit Arm, version 6, little endian.
        Armv6l = "armv6l",
        /// 32-bit Arm, version 7, little endian.
        Armv7l = "armv7l",
        /// 32-bit Arm, version 7, big endian.
        Armv7b = "armv7b",
        /// 64-bit Arm.
        Aarch64 = "aarch64",
        /// Axis ETRAX CRIS.
        Cris = "cris",
        /// Itanium.
        Itanium = "ia64",
        /// LatticeMico32.
        Lm32 = "lm32",
        /// 64-bit LoongArch.
        Loongarch64 = "loongarch64",
        /// Motorola 68000.
        M68k = "m68k",
        /// MicroBlaze, big endian.
        Microblaze = "microblaze",
        /// MicroBlaze, little endian.
        Microblazeel = "microblazeel",
        /// 32-bit MIPS, big endian.
        Mips = "mips",
        /// 32-bit MIPS, little endian.
        Mipsel = "mipsel",
        /// 64-bit MIPS, big endian.
        Mips64 = "mips64",
        /// 64-bit MIPS, little endian.
        Mips64el = "mips64el",
        /// OpenRISC.
        Or32 = "or32",
        /// 32-bit PA-RISC.
        Parisc = "parisc",
        /// 64-bit PA-RISC.
        Parisc64 = "parisc64",
        /// 32-bit PowerPC, big endian.
        Ppc = "ppc",
        /// 32-bit PowerPC, little endian.
        Ppcle = "ppcle",
        /// 64-bit PowerPC, big endian.
        Ppc64 = "ppc64",
        /// 64-bit PowerPC, little endian.
        Ppc64le = "ppc64le",
        /// Embedded PowerPC.
        Ppcemb = "ppcemb",
        /// 32-bit RISC-V.
        Riscv32 = "riscv32",
        /// 64-bit RISC-V.
        Riscv64 = "riscv64",
        /// 31-bit IBM Z.
        S390 = "s390",
        /// 64-bit IBM Z.
        S390x = "s390x",
        /// SuperH, little endian.
        Sh4 = "sh4",
        /// SuperH, big endian.
        Sh4eb = "sh4eb",
        /// 32-bit SPARC.
        Sparc = "sparc",
        /// 64-bit SPARC.
        Sparc64 = "sparc64",
        /// Tilera.
        Tilegx = "tilegx",
        /// UniCore.
        Unicore32 = "unicore32",
        /// Xtensa, little endian.
        Xtensa = "xtensa",
        /// Xtensa, big endian.
        Xtensaeb = "xtensaeb",
    }
}

impl Architecture {
    /// Whether it is one of the two kinds of x86.
    pub fn is_x86(self) -> bool {
        matches!(self, Self::X86_64 | Self::I686)
    }
}
