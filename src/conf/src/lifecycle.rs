//! `<on_poweroff>`, `<on_reboot>`, `<on_crash>` and `<on_lockfailure>`: what happens then.

use base::words;

words! {
    /// What becomes of the guest when it powers off, reboots or crashes.
    ///
    /// libvirt: `virDomainLifecycleAction`.
    pub enum LifecycleAction {
        /// Its process ends.
        Destroy = "destroy",
        /// It starts again.
        Restart = "restart",
        /// It starts again under another name; only Xen does.
        RenameRestart = "rename-restart",
        /// Its process stays, stopped.
        Preserve = "preserve",
        /// Its memory is dumped, then its process ends; only for a crash.
        CoredumpDestroy = "coredump-destroy",
        /// Its memory is dumped, then it starts again; only for a crash.
        CoredumpRestart = "coredump-restart",
    }
}

words! {
    /// What becomes of the guest when it loses a lock.
    ///
    /// libvirt: `virDomainLockFailureAction`.
    pub enum LockFailureAction unset "default" {
        /// Its process ends.
        Poweroff = "poweroff",
        /// It starts again.
        Restart = "restart",
        /// It stops.
        Pause = "pause",
        /// Nothing.
        Ignore = "ignore",
    }
}
