//! The steps of install, upgrade, rollback, uninstall and test: one side effect each, written down before it is taken.
