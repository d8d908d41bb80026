//! What the processor says of itself.

/// How an AMD processor encrypts the memory of guests: the address bit that says that a page is
/// encrypted, and how many address bits encryption takes. `None` if it does not, or the kernel
/// lets nobody use it.
///
/// AMD64 Architecture Programmer's Manual, volume 3: CPUID function 8000_001F.
pub fn memory_encryption() -> Option<(u32, u32)> {
    if !std::path::Path::new("/dev/sev").exists() {
        return None;
    }
    encryption_leaf()
        .filter(|(features, _)| features & 0b10 != 0)
        .map(|(_, bits)| (bits & 0x3f, (bits >> 6) & 0x3f))
}

#[cfg(target_arch = "x86_64")]
fn encryption_leaf() -> Option<(u32, u32)> {
    const LARGEST: u32 = 0x8000_0000;
    const ENCRYPTION: u32 = 0x8000_001f;
    use std::arch::x86_64::__cpuid;
    if __cpuid(LARGEST).eax < ENCRYPTION {
        return None;
    }
    let leaf = __cpuid(ENCRYPTION);
    Some((leaf.eax, leaf.ebx))
}

#[cfg(not(target_arch = "x86_64"))]
fn encryption_leaf() -> Option<(u32, u32)> {
    None
}
