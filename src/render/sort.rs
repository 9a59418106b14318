//! The order of kinds: what is installed first, what is deleted first.

/// Kinds in the order of installation; unknown kinds come after all of these, by name.
pub const INSTALL_ORDER: [&str; 38] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Kinds in the order of deletion; unknown kinds come last.
pub const UNINSTALL_ORDER: [&str; 38] = [
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "APIService",
    "Ingress",
    "IngressClass",
    "Service",
    "CronJob",
    "Job",
    "StatefulSet",
    "HorizontalPodAutoscaler",
    "Deployment",
    "ReplicaSet",
    "ReplicationController",
    "Pod",
    "DaemonSet",
    "RoleBindingList",
    "RoleBinding",
    "RoleList",
    "Role",
    "ClusterRoleBindingList",
    "ClusterRoleBinding",
    "ClusterRoleList",
    "ClusterRole",
    "CustomResourceDefinition",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "StorageClass",
    "ConfigMap",
    "SecretList",
    "Secret",
    "ServiceAccount",
    "PodDisruptionBudget",
    "PodSecurityPolicy",
    "LimitRange",
    "ResourceQuota",
    "NetworkPolicy",
    "Namespace",
    "PriorityClass",
];

/// Sorts by kind in the order of installation; equal kinds stay as they are.
pub fn by_install_order<T>(items: &mut [T], kind: impl Fn(&T) -> &str) {
    items.sort_by(|a, b| key(kind(a)).cmp(&key(kind(b))));
}

fn key(kind: &str) -> (usize, &str) {
    match INSTALL_ORDER.iter().position(|known| *known == kind) {
        Some(at) => (at, ""),
        None => (usize::MAX, kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_kinds_come_last_by_name_and_equal_ones_stay() {
        let mut items = ["Zoo 1", "Ape 1", "ValidatingWebhookConfiguration 1", "Job 2", " 1", "Job 1", "Namespace 1"];
        by_install_order(&mut items, |item| item.split(' ').next().unwrap_or_default());
        assert_eq!(
            items,
            ["Namespace 1", "Job 2", "Job 1", "ValidatingWebhookConfiguration 1", " 1", "Ape 1", "Zoo 1"]
        );
    }

    #[test]
    fn both_orders_know_the_same_kinds() {
        let mut install: Vec<_> = INSTALL_ORDER.iter().collect();
        let mut uninstall: Vec<_> = UNINSTALL_ORDER.iter().collect();
        install.sort();
        uninstall.sort();
        assert_eq!(install, uninstall);
    }
}
