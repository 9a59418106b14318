//! What is known of Kubernetes' own kinds without asking a cluster: whose lists are joined by which keys, and who is in no
//! namespace. Data only; clusters and manifests are others' business.

/// API groups whose kinds have keys for their lists.
const BUILT_IN: [&str; 21] = [
    "",
    "admissionregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Lists whose items are joined by keys (`patchMergeKey` first, then what else `listMapKey` names in Kubernetes' API types),
/// by the names of the list and of the field that holds it where one name has several meanings.
const KEYS: [(&str, Option<&str>, &[&str]); 20] = [
    ("conditions", None, &["type"]),
    ("containers", None, &["name"]),
    ("env", None, &["name"]),
    ("ephemeralContainers", None, &["name"]),
    ("hostAliases", None, &["ip"]),
    // A ServiceAccount's are a plain list.
    ("imagePullSecrets", Some("spec"), &["name"]),
    ("initContainers", None, &["name"]),
    ("matchConditions", None, &["name"]),
    ("ownerReferences", None, &["uid"]),
    ("ports", Some("containers"), &["containerPort", "protocol"]),
    ("ports", Some("initContainers"), &["containerPort", "protocol"]),
    ("ports", Some("spec"), &["port", "protocol"]),
    ("resourceClaims", None, &["name"]),
    ("schedulingGates", None, &["name"]),
    ("secrets", None, &["name"]),
    ("topologySpreadConstraints", None, &["topologyKey", "whenUnsatisfiable"]),
    ("volumeDevices", None, &["devicePath"]),
    ("volumeMounts", None, &["mountPath"]),
    ("volumes", None, &["name"]),
    ("webhooks", None, &["name"]),
];

/// Kinds that are in no namespace.
const CLUSTER_SCOPED: [(&str, &str); 37] = [
    ("", "ComponentStatus"),
    ("", "Namespace"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("authentication.k8s.io", "SelfSubjectReview"),
    ("authentication.k8s.io", "TokenReview"),
    ("authorization.k8s.io", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "SelfSubjectRulesReview"),
    ("authorization.k8s.io", "SubjectAccessReview"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("certificates.k8s.io", "ClusterTrustBundle"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("networking.k8s.io", "IPAddress"),
    ("networking.k8s.io", "IngressClass"),
    ("networking.k8s.io", "ServiceCIDR"),
    ("node.k8s.io", "RuntimeClass"),
    ("policy", "PodSecurityPolicy"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("resource.k8s.io", "DeviceClass"),
    ("resource.k8s.io", "ResourceSlice"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "CSIDriver"),
    ("storage.k8s.io", "CSINode"),
    ("storage.k8s.io", "StorageClass"),
    ("storage.k8s.io", "VolumeAttachment"),
    ("storage.k8s.io", "VolumeAttributesClass"),
    ("storagemigration.k8s.io", "StorageVersionMigration"),
];

/// Whether a kind is one of Kubernetes' own whose lists may have keys. Definitions of custom resources have none.
#[must_use]
pub fn has_list_keys(group: &str, kind: &str) -> bool {
    BUILT_IN.contains(&group) && kind != "CustomResourceDefinition"
}

/// The fields by which the items of a list of Kubernetes' own kinds are told apart, the most important one first.
/// `parent` is the name of the field that holds the list.
#[must_use]
pub fn list_keys(parent: &str, list: &str) -> Option<&'static [&'static str]> {
    let fits = |place: &Option<&str>| place.is_none_or(|place| place == parent);
    KEYS.iter().find(|(name, place, _)| *name == list && fits(place)).map(|(_, _, keys)| *keys)
}

/// Whether a list of Kubernetes' own kinds is a set of texts.
#[must_use]
pub fn is_set(list: &str) -> bool {
    list == "finalizers"
}

/// Whether objects of a kind are in no namespace. What is not Kubernetes' own is taken to be in one.
#[must_use]
pub fn is_cluster_scoped(group: &str, kind: &str) -> bool {
    CLUSTER_SCOPED.contains(&(group, kind))
}

/// An `apiVersion`'s group and version; the core group is empty.
#[must_use]
pub fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}
