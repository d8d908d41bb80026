//! Going through a [`Shape`]: reading and printing, once for all types that derive [`Xml`].
//!
//! [`Xml`]: crate::Xml

use std::borrow::Cow;

use base::words;

use crate::element::{Cursor, El, Reader};
use crate::model::{AttributeStep, Element, FieldShape, Keyed, Kind, Repeat, Slot, SlotMut};
use crate::problem::{Part, Problem};
use crate::tag::Tag;

/// Reads an element into `value`, without a look at what is left over.
pub fn read(value: &mut dyn Element, cursor: &mut Cursor<'_>, reader: &mut Reader) {
    read_with(value, &[], cursor, reader);
}

/// Reads as [`read`] does, and of the fields that are read only on request those in `with`.
fn read_with(value: &mut dyn Element, with: &[&str], cursor: &mut Cursor<'_>, reader: &mut Reader) {
    value.set_origin(cursor.el().origin());
    let shape = value.shape();
    cursor.ignore(shape.ignores);
    if shape.closed {
        cursor.close();
    }
    let mut unknown = Vec::new();
    for index in 0..shape.fields.len() {
        if let SlotMut::Keyed(keyed) = value.slot_mut(index)
            && !select(keyed, cursor, reader)
        {
            unknown.push(index);
        }
    }
    for (index, field) in shape.fields.iter().enumerate() {
        if !value.reads(index) || (field.on_request && !with.contains(&field.name)) {
            leave(value.slot(index), field, cursor);
        } else if unknown.contains(&index) {
            leave_variants(field, value.slot(index), cursor);
        } else {
            read_field(field, value.slot_mut(index), cursor, reader);
        }
    }
    value.finish(cursor.el(), reader);
}

/// Reads a field; of a flattened enum, the variant that it has become already.
fn read_field(field: &FieldShape, slot: SlotMut<'_>, cursor: &mut Cursor<'_>, reader: &mut Reader) {
    let el = cursor.el();
    match (field.kind, slot) {
        (Kind::Attribute, SlotMut::Value(value)) => match cursor.attribute(field.name) {
            Some(text) => {
                let text = with_unit(field, text, cursor);
                if let Err(bad) = value.read(&text) {
                    reader.bad_value(el, Part::Attribute(field.name.to_owned()), &text, bad);
                }
            }
            None if field.required => missing(el, &format!("attribute '{}'", field.name), reader),
            None => {}
        },
        (Kind::Text, SlotMut::Value(value)) => {
            let text = cursor.text();
            if text.is_empty() {
                if field.required {
                    missing(el, "text", reader);
                }
            } else {
                let text = with_unit(field, &text, cursor);
                if let Err(bad) = value.read(&text) {
                    reader.bad_value(el, Part::Text, &text, bad);
                }
            }
        }
        (Kind::Child { many, within }, SlotMut::Child(child)) => {
            for found in occurrences(field, many, within, cursor, reader) {
                child.read(found, reader);
            }
        }
        (Kind::Value { many, attribute }, slot) => {
            let mut slot = slot;
            for found in occurrences(field, many, None, cursor, reader) {
                read_value(field, found, attribute, &mut slot, reader);
            }
        }
        (Kind::Flag, SlotMut::Flag(flag)) => {
            for found in occurrences(field, false, None, cursor, reader) {
                Cursor::new(found).finish(reader);
                *flag = true;
            }
        }
        (Kind::Flatten { with, .. }, SlotMut::Element(inner)) => {
            read_with(inner, with, cursor, reader);
        }
        (Kind::Flatten { within: None, .. }, SlotMut::Keyed(keyed)) => {
            read_variant(keyed, cursor, reader);
        }
        (Kind::Flatten { within: Some(wrapper), .. }, SlotMut::Keyed(keyed)) => {
            match &*cursor.children(wrapper) {
                [el, extra @ ..] => {
                    let mut inner = Cursor::new(*el);
                    read_variant(keyed, &mut inner, reader);
                    inner.finish(reader);
                    repeated(cursor.el(), extra, field.repeat, reader);
                }
                [] if field.required && needs_something(keyed) => {
                    missing(el, &format!("<{wrapper}>"), reader);
                }
                [] => {}
            }
        }
        _ => unreachable!("the derive pairs kinds with slots"),
    }
}

/// The text of a value, with the unit that stands beside it.
fn with_unit<'a>(field: &FieldShape, text: &'a str, cursor: &mut Cursor<'_>) -> Cow<'a, str> {
    match field.unit.then(|| cursor.attribute("unit")).flatten() {
        Some(unit) => Cow::Owned(format!("{text} {unit}")),
        None => Cow::Borrowed(text),
    }
}

/// Notes the names that would have been read under another condition.
fn leave(slot: Slot<'_>, field: &FieldShape, cursor: &mut Cursor<'_>) {
    match slot {
        Slot::Element(inner) => inner.shape().fields.iter().for_each(|f| cursor.unused(f.name)),
        _ => cursor.unused(field.name),
    }
}

/// The child elements that count, after a word about those that do not.
fn occurrences<'a>(
    field: &FieldShape,
    many: bool,
    within: Option<&'static str>,
    cursor: &mut Cursor<'a>,
    reader: &mut Reader,
) -> Vec<El<'a>> {
    let el = cursor.el();
    if let Some(wrapper) = within {
        let mut found = Vec::new();
        for wrapper in cursor.children(wrapper) {
            let mut inner = Cursor::new(wrapper);
            found.extend(inner.children(field.name));
            inner.finish(reader);
        }
        return found;
    }
    let mut found = cursor.children(field.name);
    if found.is_empty() && field.required {
        missing(el, &format!("<{}>", field.name), reader);
    }
    if !many && found.len() > 1 {
        let keep = if field.repeat == Repeat::Last { found.len() - 1 } else { 0 };
        let mut kept = found.remove(keep);
        if field.repeat == Repeat::Merge {
            kept = kept.merged();
        }
        repeated(el, &found, field.repeat, reader);
        found = vec![kept];
    }
    found
}

/// Reports elements in `el` that do not count because there is another one of their name.
fn repeated(el: El<'_>, extra: &[El<'_>], repeat: Repeat, reader: &mut Reader) {
    for extra in extra {
        let message = format!("<{}> appears more than once in <{}>", extra.name(), el.name());
        let help = match repeat {
            Repeat::Error => {
                reader.error(extra.origin(), Part::Name, message);
                continue;
            }
            Repeat::First => "only the first one has an effect",
            Repeat::Last => "only the last one has an effect",
            Repeat::Merge => "they are read as one, with the attributes of the first",
        };
        reader.push(Problem::warning(extra.origin(), Part::Name, message).help(help));
    }
}

fn read_value(
    field: &FieldShape,
    el: El<'_>,
    attribute: Option<&'static str>,
    slot: &mut SlotMut<'_>,
    reader: &mut Reader,
) {
    let mut cursor = Cursor::new(el);
    let (text, part) = match attribute {
        Some(name) => (
            cursor.attribute(name).or(field.absent).map(str::to_owned),
            Part::Attribute(name.to_owned()),
        ),
        None => (Some(cursor.text()).filter(|text| !text.is_empty()), Part::Text),
    };
    if let Some(text) = text {
        let text = with_unit(field, &text, &mut cursor);
        let read = match slot {
            SlotMut::Value(value) => value.read(&text),
            SlotMut::Values(values) => values.read(&text),
            _ => unreachable!("the derive pairs kinds with slots"),
        };
        if let Err(bad) = read {
            reader.bad_value(el, part, &text, bad);
        }
    } else if let Some(name) = attribute {
        missing(el, &format!("attribute '{name}'"), reader);
    } else if field.required {
        missing(el, "text", reader);
    }
    cursor.finish(reader);
}

/// Reads the variant that an attribute chooses.
pub fn read_keyed(value: &mut dyn Keyed, cursor: &mut Cursor<'_>, reader: &mut Reader) {
    if select(value, cursor, reader) {
        read_variant(value, cursor, reader);
    } else if !value.is_optional() {
        cursor.leave_all();
    }
}

/// Becomes the variant that an attribute chooses; `false` when there is no telling which.
fn select(value: &mut dyn Keyed, cursor: &mut Cursor<'_>, reader: &mut Reader) -> bool {
    let key = value.key();
    let chosen = match cursor.attribute(key.attribute) {
        Some(text) => match words::find(key.words, text) {
            Ok(index) => Some(index),
            Err(bad) => {
                let part = Part::Attribute(key.attribute.to_owned());
                reader.bad_value(cursor.el(), part, text, bad);
                None
            }
        },
        None if value.is_optional() => None,
        None if key.default.is_none() => {
            missing(cursor.el(), &format!("attribute '{}'", key.attribute), reader);
            None
        }
        None => key.default,
    };
    if let Some(index) = chosen {
        value.select(index);
    }
    chosen.is_some()
}

/// Whether the variant has a field that must be there.
fn needs_something(value: &dyn Keyed) -> bool {
    value.inner().is_some_and(|inner| inner.shape().fields.iter().any(|field| field.required))
}

/// Leaves the names of all variants unread. Without a variant they have no effect; where there is
/// no telling which one is meant, nothing is said of them.
fn leave_variants(field: &FieldShape, slot: Slot<'_>, cursor: &mut Cursor<'_>) {
    let Slot::Keyed(keyed) = slot else { return };
    let mut leave = |name| {
        if keyed.is_optional() {
            cursor.unused(name);
        } else {
            cursor.attribute(name);
            cursor.children(name);
        }
    };
    if let Kind::Flatten { within: Some(wrapper), .. } = field.kind {
        return leave(wrapper);
    }
    for shape in keyed.key().variants.iter().filter_map(|variant| variant.shape) {
        shape().fields.iter().for_each(|field| leave(field.name));
    }
}

fn read_variant(value: &mut dyn Keyed, cursor: &mut Cursor<'_>, reader: &mut Reader) {
    cursor.ignore(value.key().variants[value.selected()].ignores);
    cursor.unused_variants(value.key());
    if let Some(inner) = value.inner_mut() {
        read(inner, cursor, reader);
    }
}

fn missing(el: El<'_>, what: &str, reader: &mut Reader) {
    reader.error(el.origin(), Part::Name, format!("<{}> needs {what}", el.name()));
}

/// Prints attributes, then children and text.
pub fn print(value: &dyn Element, tag: &mut Tag) {
    print_attributes(value, tag);
    print_content(value, tag);
}

/// Prints the variant: its key, its attributes, then its children and text.
pub fn print_keyed(value: &dyn Keyed, tag: &mut Tag) {
    print_key(value, tag);
    if let Some(inner) = value.inner() {
        print(inner, tag);
    }
}

fn print_key(value: &dyn Keyed, tag: &mut Tag) {
    let key = value.key();
    let selected = value.selected();
    if value.is_present() && (!key.quiet || key.default != Some(selected)) {
        tag.attribute(key.attribute, key.words[selected]);
    }
}

fn print_attributes(value: &dyn Element, tag: &mut Tag) {
    let shape = value.shape();
    for step in shape.attributes {
        match *step {
            AttributeStep::Field(index) => {
                let Slot::Value(attribute) = value.slot(index) else { continue };
                if !value.prints(index) {
                    continue;
                }
                let field = &shape.fields[index];
                if field.unit {
                    let text = value.text(index).or_else(|| attribute.text());
                    let Some(text) = text else { continue };
                    let (number, unit) = split_unit(field, &text);
                    if field.kind == Kind::Attribute {
                        tag.attribute(field.name, number);
                    }
                    if let Some(unit) = unit {
                        tag.attribute("unit", unit);
                    }
                } else if field.kind == Kind::Attribute {
                    match value.text(index) {
                        Some(text) => tag.attribute(field.name, &text),
                        None if attribute.is_there() => {
                            tag.attribute_from(field.name, |out| _ = attribute.write(out));
                        }
                        None => {}
                    }
                }
            }
            AttributeStep::Key(index) => {
                if let Slot::Keyed(keyed) = value.slot(index)
                    && value.prints(index)
                {
                    print_key(keyed, tag);
                }
            }
            AttributeStep::Flatten(index) => {
                let within =
                    matches!(shape.fields[index].kind, Kind::Flatten { within: Some(_), .. });
                if within || !value.prints(index) {
                    continue;
                }
                match value.slot(index) {
                    Slot::Element(inner) => print_attributes(inner, tag),
                    Slot::Keyed(keyed) => {
                        if let Some(inner) = keyed.inner() {
                            print_attributes(inner, tag);
                        }
                    }
                    _ => unreachable!("the derive pairs kinds with slots"),
                }
            }
        }
    }
}

/// A value's text, and the unit where that is an attribute.
fn split_unit<'a>(field: &FieldShape, text: &'a str) -> (&'a str, Option<&'a str>) {
    match text.split_once(' ').filter(|_| field.unit) {
        Some((number, unit)) => (number, Some(unit)),
        None => (text, None),
    }
}

fn print_content(value: &dyn Element, tag: &mut Tag) {
    for (index, field) in value.shape().fields.iter().enumerate() {
        if value.prints(index) {
            print_field(field, value.slot(index), tag);
        }
    }
}

fn print_field(field: &FieldShape, slot: Slot<'_>, tag: &mut Tag) {
    match (field.kind, slot) {
        (Kind::Attribute, _) => {}
        (Kind::Text, Slot::Value(value)) => {
            let mut text = String::new();
            if value.write(&mut text) && !text.is_empty() {
                tag.text(split_unit(field, &text).0);
            }
        }
        (Kind::Child { within, .. }, Slot::Child(child)) => {
            let mut wrapper = within.map(Tag::new);
            let into = wrapper.as_mut().unwrap_or(tag);
            child.print(&mut |print| {
                let mut inner = Tag::new(field.name);
                print(&mut inner);
                if field.open {
                    inner.open();
                }
                if field.keep_empty || field.open || !inner.is_empty() {
                    into.child(inner);
                }
            });
            if let Some(wrapper) = wrapper.filter(|wrapper| !wrapper.is_empty()) {
                tag.child(wrapper);
            }
        }
        (Kind::Value { attribute: Some(attribute), .. }, Slot::Value(value)) if !field.unit => {
            if value.is_there() {
                let mut inner = Tag::new(field.name);
                inner.attribute_from(attribute, |out| _ = value.write(out));
                tag.child(inner);
            }
        }
        (Kind::Value { attribute, .. }, slot) => {
            let texts = match slot {
                Slot::Value(value) => {
                    let mut text = String::new();
                    if value.write(&mut text) { vec![text] } else { Vec::new() }
                }
                Slot::Values(values) => values.texts(),
                _ => unreachable!("the derive pairs kinds with slots"),
            };
            for text in texts {
                let (number, unit) = split_unit(field, &text);
                let mut inner = Tag::new(field.name);
                if let Some(attribute) = attribute {
                    inner.attribute(attribute, number);
                }
                if let Some(unit) = unit {
                    inner.attribute("unit", unit);
                }
                if attribute.is_none() {
                    inner.text(number);
                }
                tag.child(inner);
            }
        }
        (Kind::Flag, Slot::Flag(flag)) => {
            if flag {
                tag.child(Tag::new(field.name));
            }
        }
        (Kind::Flatten { .. }, Slot::Element(inner)) => print_content(inner, tag),
        (Kind::Flatten { within, .. }, Slot::Keyed(keyed)) => {
            let Some(inner) = keyed.inner() else { return };
            let Some(wrapper) = within else { return print_content(inner, tag) };
            let mut wrapper = Tag::new(wrapper);
            print(inner, &mut wrapper);
            if field.keep_empty || !wrapper.is_empty() {
                tag.child(wrapper);
            }
        }
        _ => unreachable!("the derive pairs kinds with slots"),
    }
}
