//! Registers of PowerPC's virtual I/O bus. A PC has none, but libvirt takes devices that are made for
//! it all the same, and then they take no PCI slot.

use conf::Domain;
use conf::address::{Address, Hex, SpaprVio};
use conf::device::controller::ScsiModel;
use conf::device::interface::InterfaceModel;
use conf::device::interface::model::KnownModel;
use conf::device::serial::SerialTargetType;
use conf::device::{Device, DeviceId, Devices};
use xml::{Part, Problem};

/// Gives a register to each device that is made for that bus and has none.
///
/// libvirt: `qemuDomainAssignSpaprVIOAddresses`.
///
/// # Errors
/// A register that is taken twice.
pub fn assign(domain: &mut Domain) -> Result<(), Problem> {
    let devices = &mut domain.devices;
    let able: Vec<(DeviceId, u64, bool)> = devices
        .iter()
        .filter_map(|(id, device)| first_register(device).map(|(reg, made)| (id, reg, made)))
        .collect();
    for (id, first, made_for_it) in able {
        let given = match devices.get(id).and_then(Device::info).map(|info| &info.address) {
            Some(Some(Address::SpaprVio(vio))) => vio.reg,
            Some(_) if made_for_it => None,
            _ => continue,
        };
        let taken = registers_of_others(devices, id);
        if given.is_some_and(|reg| taken.contains(&reg.0)) {
            let origin = devices.get(id).map_or(xml::Origin::None, Device::origin);
            let message = "the spapr-vio register is taken by another device";
            return Err(Problem::error(origin, Part::Name, message)
                .help("leave the <address> out to have a free one chosen"));
        }
        let free = || {
            let mut registers = (0..).map(|step| first + 0x1000 * step);
            Hex(registers.find(|reg| !taken.contains(reg)).expect("more registers than devices"))
        };
        let reg = Some(given.unwrap_or_else(free));
        if let Some(info) = devices.info_mut(id) {
            info.address = Some(Address::SpaprVio(SpaprVio { reg }));
        }
    }
    Ok(())
}

/// Where QEMU starts to count for a kind of device, and whether the device is made for this bus; the
/// others of its kind may be given such an address.
fn first_register(device: Device<'_>) -> Option<(u64, bool)> {
    match device {
        Device::Interface(interface) => {
            let model = InterfaceModel::Known(KnownModel::SpaprVlan);
            Some((0x1000, interface.model == Some(model)))
        }
        Device::Controller(controller) => {
            let model = controller.scsi().and_then(|scsi| scsi.model);
            Some((0x2000, model == Some(ScsiModel::Ibmvscsi)))
        }
        Device::Serial(serial) => {
            let kind = serial.target.kind;
            Some((0x3000_0000, kind == Some(SerialTargetType::SpaprVioSerial)))
        }
        Device::Nvram(_) => Some((0x3000, false)),
        Device::Tpm(_) => Some((0x4000, false)),
        _ => None,
    }
}

fn registers_of_others(devices: &Devices, id: DeviceId) -> Vec<u64> {
    let others = devices.iter().filter(|(other, _)| *other != id);
    others
        .filter_map(|(_, device)| match device.info()?.address.as_ref()? {
            Address::SpaprVio(vio) => vio.reg.map(|reg| reg.0),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use xml::Source;

    use super::*;

    #[test]
    fn each_device_gets_the_next_free_register() {
        let scsi = |index, address| {
            format!(
                "<controller type='scsi' index='{index}' model='ibmvscsi'>{address}</controller>"
            )
        };
        let given = "<address type='spapr-vio' reg='0x3000'/>";
        let text = format!(
            "<domain type='qemu'><name>t</name><os><type>hvm</type></os><devices>{}{}{}</devices>\
             </domain>",
            scsi(0, ""),
            scsi(1, given),
            scsi(2, "")
        );
        let (mut domain, _) = conf::parse(&Source::new("t.xml", text)).unwrap();
        assign(&mut domain).unwrap();
        let text = conf::print(&domain);
        let registers: Vec<&str> = text.matches("reg='0x0000").collect();
        assert_eq!(registers.len(), 3, "{text}");
        for reg in ["0x00002000", "0x00003000", "0x00004000"] {
            assert!(text.contains(reg), "{reg} in {text}");
        }
    }
}
