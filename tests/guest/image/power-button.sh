#!/bin/sh
# Called by acpid when the ACPI power button is pressed, which is what `vdomain shutdown` does.
echo 'guest: power button' >/dev/console
sync
poweroff -f
