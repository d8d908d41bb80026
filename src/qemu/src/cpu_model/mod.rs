//! The named model that comes nearest to a processor, as libvirt describes one by it.

use std::collections::{BTreeMap, BTreeSet};

use crate::capabilities::{Capabilities, Names, Processor};
use crate::host::HostCpu;

/// What is known of the models.
const MODELS: &str = include_str!("models.txt");

/// Features that versions of QEMU had in a model and later ones have not: libvirt says of each guest
/// that it has none of them.
///
/// libvirt: features with `removed='yes'` in `src/cpu_map`.
const REMOVED: &[(&str, &[&str])] = &[
    ("Skylake-Client", &["mpx"]),
    ("Skylake-Server", &["mpx"]),
    ("Cascadelake-Server", &["mpx"]),
    ("Icelake-Client", &["intel-pt"]),
    ("Icelake-Server", &["intel-pt", "mpx"]),
    ("Opteron_G3", &["monitor"]),
    ("Dhyana", &["monitor"]),
    ("EPYC", &["monitor"]),
];

/// Models that are later ones, not variants, of a model whose name theirs begins with.
const LATER: &[&str] = &["EPYC-Rome", "EPYC-Milan", "EPYC-Genoa", "EPYC-Turin"];

/// Features that only say what KVM offers beside the processor: no model has them, and they are the
/// guest's without being said.
const PARAVIRTUAL: &str = "kvm";

/// CPU features that QEMU calls by another name than libvirt.
///
/// libvirt: `virQEMUCapsCPUFeaturesX86`.
const NAMES: &[(&str, &str)] = &[
    ("cmp_legacy", "cmp-legacy"),
    ("ds_cpl", "ds-cpl"),
    ("fxsr_opt", "fxsr-opt"),
    ("kvm_pv_eoi", "kvm-pv-eoi"),
    ("kvm_pv_unhalt", "kvm-pv-unhalt"),
    ("lahf_lm", "lahf-lm"),
    ("nodeid_msr", "nodeid-msr"),
    ("pclmuldq", "pclmulqdq"),
    ("perfctr_core", "perfctr-core"),
    ("perfctr_nb", "perfctr-nb"),
    ("tsc_adjust", "tsc-adjust"),
    ("vmx-invvpid-single-context-noglobals", "vmx-invept-single-context-noglobals"),
];

/// A named model.
#[derive(Clone, Debug)]
struct Model {
    name: &'static str,
    maker: Option<&'static str>,
    family: u64,
    /// Numbers of models, and of steppings where only some are meant.
    numbers: Vec<(u64, Option<(u64, u64)>)>,
    features: BTreeSet<&'static str>,
}

impl Model {
    fn is_of_maker(&self, vendor: &str) -> bool {
        self.maker.is_none_or(|maker| {
            vendor
                == match maker {
                    "Intel" => "GenuineIntel",
                    "AMD" => "AuthenticAMD",
                    _ => "HygonGenuine",
                }
        })
    }

    fn is_numbered(&self, processor: &Processor) -> bool {
        let steppings = |range: &Option<(u64, u64)>| {
            range.is_none_or(|(first, last)| (first..=last).contains(&processor.stepping))
        };
        let mut numbers = self.numbers.iter();
        self.family == processor.family
            && numbers.any(|(model, range)| *model == processor.model && steppings(range))
    }
}

/// All models, in the order of `models.txt`.
fn models() -> Vec<Model> {
    let mut models: Vec<Model> = Vec::new();
    for line in MODELS.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let mut next = || words.next().unwrap_or_default();
        let (name, maker, family, numbers, base) = (next(), next(), next(), next(), next());
        let base = models.iter().find(|model| model.name == base);
        let mut features = base.map(|model| model.features.clone()).unwrap_or_default();
        for word in words {
            match word.strip_prefix('-') {
                Some(feature) => features.remove(feature),
                None => features.insert(word.trim_start_matches('+')),
            };
        }
        models.push(Model {
            name,
            maker: Some(maker).filter(|maker| *maker != "-"),
            family: family.parse().unwrap_or_default(),
            numbers: numbers.split(',').filter_map(number).collect(),
            features,
        });
    }
    models
}

fn number(text: &str) -> Option<(u64, Option<(u64, u64)>)> {
    let (model, steppings) = text.split_once('/').map_or((text, None), |(m, s)| (m, Some(s)));
    let steppings = steppings.and_then(|range| {
        let (first, last) = range.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    });
    Some((model.parse().ok()?, steppings))
}

/// The model that comes nearest to a processor, with what differs from it; `None` if none is known.
///
/// A model that has the processor's own number comes before all others; else the one from which the
/// least differs does, the newest of several. A feature that the processor lacks counts twice.
///
/// libvirt: `x86Decode`, `virCPUx86CompareCandidateFeatureList` in `src/cpu/cpu_x86.c`.
pub(crate) fn nearest(processor: &Processor, capabilities: &Capabilities) -> Option<HostCpu> {
    let has = |feature: &str| processor.features.contains(feature);
    let mut best: Option<((bool, usize), HostCpu)> = None;
    for model in models().iter().rev() {
        let is_known = capabilities.cpu_models.contains(model.name);
        if !is_known || !model.is_of_maker(&processor.vendor) {
            continue;
        }
        let more = processor.features.iter().filter(|feature| {
            !model.features.contains(feature) && !feature.starts_with(PARAVIRTUAL)
        });
        let less = model.features.iter().copied().filter(|feature| !has(feature));
        let blocked = processor.unavailable.get(model.name).into_iter().flat_map(Names::iter);
        let blocked = blocked.filter(|feature| !has(feature));
        let mut features: BTreeMap<String, bool> =
            less.chain(blocked).map(|feature| (feature.to_owned(), false)).collect();
        features.extend(more.map(|feature| (feature.to_owned(), true)));
        let lacks = features.values().filter(|has| !**has).count();
        let rank = (!model.is_numbered(processor), features.len() + lacks);
        if best.as_ref().is_none_or(|(least, _)| rank < *least) {
            best = Some((rank, HostCpu { model: model.name.to_owned(), features }));
        }
    }
    best.map(|(_, found)| found)
}

/// The features of a named model, in QEMU's words; nothing for a model that is not known.
pub(crate) fn features(name: &str) -> BTreeSet<&'static str> {
    models().into_iter().find(|model| model.name == name).map_or_else(BTreeSet::new, |m| m.features)
}

/// A CPU feature in QEMU's words.
pub(crate) fn qemu_name(name: &str) -> &str {
    NAMES.iter().find(|(libvirt, _)| *libvirt == name).map_or(name, |(_, qemu)| qemu)
}

/// The features that libvirt switches off in a model because QEMU's no longer has them.
pub(crate) fn removed(name: &str) -> &'static [&'static str] {
    let is_variant = |rest: &str| rest.is_empty() || rest.starts_with('-');
    let of = |model: &str| name.strip_prefix(model).is_some_and(is_variant);
    if LATER.iter().any(|later| of(later)) {
        return &[];
    }
    REMOVED.iter().find(|(model, _)| of(model)).map_or(&[], |(_, features)| features)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_model_with_features() {
        let models = models();
        assert!(models.len() > 50);
        for model in &models {
            assert!(model.family > 0 && !model.numbers.is_empty(), "{model:?}");
            assert!(model.features.contains("fpu"), "{}", model.name);
        }
        assert!(features("Haswell").contains("avx2"));
        assert!(!features("Haswell-noTSX").contains("rtm"));
    }

    #[test]
    fn the_nearest_model_is_found() {
        let mut processor = Processor {
            vendor: "GenuineIntel".to_owned(),
            family: 6,
            model: 60,
            stepping: 3,
            features: (features("Haswell").into_iter())
                .filter(|feature| !["rtm", "hle"].contains(feature))
                .chain(["ssbd", "kvm-pv-eoi"])
                .collect(),
            ..Processor::default()
        };
        let cpu_models = ["Haswell", "Haswell-noTSX", "Penryn", "EPYC"].into_iter().collect();
        let capabilities = Capabilities { cpu_models, ..Capabilities::default() };
        let found = nearest(&processor, &capabilities).unwrap();
        assert_eq!(found.model, "Haswell-noTSX");
        assert_eq!(found.features, BTreeMap::from([("ssbd".to_owned(), true)]));
        processor.vendor = "AuthenticAMD".to_owned();
        assert_eq!(nearest(&processor, &capabilities).unwrap().model, "EPYC");
    }

    #[test]
    fn steppings_tell_models_of_one_number_apart() {
        let numbered = |stepping| {
            let processor = Processor { family: 6, model: 85, stepping, ..Processor::default() };
            let models = models().into_iter().filter(|model| model.is_numbered(&processor));
            models.map(|model| model.name).next().unwrap()
        };
        assert_eq!(numbered(4), "Skylake-Server");
        assert_eq!(numbered(7), "Cascadelake-Server");
        assert_eq!(numbered(11), "Cooperlake");
    }

    #[test]
    fn removed_features_are_those_of_the_model_and_its_variants() {
        assert_eq!(removed("Icelake-Server-noTSX"), ["intel-pt", "mpx"]);
        assert_eq!(removed("Skylake-Client-IBRS"), ["mpx"]);
        assert_eq!(removed("EPYC-IBPB"), ["monitor"]);
        assert_eq!(removed("EPYC-Rome-v2"), [] as [&str; 0]);
        assert_eq!(removed("Haswell"), [] as [&str; 0]);
    }
}
