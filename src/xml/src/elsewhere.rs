//! Attributes that say what other fields say.

use std::marker::PhantomData;

use base::{BadValue, Datatype, Value};

/// An attribute whose value is kept in other fields: its own field, an `Option` of this, is always
/// `None`. Its text is that of a `T`; what it means is for the `finish` of its struct to find out,
/// and `print_with` makes it up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere<T = String>(PhantomData<T>);

impl<T: Value> Value for Elsewhere<T> {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        T::parse(text).map(|_| None)
    }

    fn write(&self, _out: &mut String) {}

    fn datatype() -> Datatype {
        T::datatype()
    }
}
