//! `<keywrap>`: keys of s390 guests that only the machine knows in the clear.

use base::{OnOff, words};
use xml::{El, Origin, Part, Reader, Xml};

words! {
    /// A cipher.
    pub enum CipherName {
        /// AES.
        Aes = "aes",
        /// DES and triple DES.
        Dea = "dea",
    }
}

/// `<keywrap>`.
///
/// libvirt: `virDomainKeyWrapDefParseXML`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Keywrap::finish)]
pub struct Keywrap {
    /// Where it was written.
    pub origin: Origin,
    /// The ciphers, in the order of [`CipherName`].
    #[xml(child, name = "cipher")]
    pub ciphers: Vec<Cipher>,
}

impl Keywrap {
    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        self.ciphers.sort_by_key(|cipher| cipher.name);
        for pair in self.ciphers.windows(2).filter(|pair| pair[0].name == pair[1].name) {
            let message = format!("cipher '{}' appears more than once", pair[1].name);
            reader.error(pair[1].origin, Part::Attribute("name".to_owned()), message);
        }
    }
}

/// `<cipher>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Cipher {
    /// Where it was written.
    pub origin: Origin,
    /// Which cipher.
    #[xml(attribute, required)]
    pub name: CipherName,
    /// Whether its keys are wrapped.
    #[xml(attribute, required)]
    pub state: OnOff,
}
