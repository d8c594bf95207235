{{- /* A program of ours lists the pods of Kubeflow's Notebooks, namespace by namespace:
     (dict "root" $ "name" "hub-service"). */ -}}
{{- define "desktops.read-notebooks" -}}
{{- if include "desktops.in-kubeflow" .root }}
{{- range .root.Values.kubeflow.notebooks.namespaces }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $.root.Release.Namespace }}-{{ $.name }}
  namespace: {{ . }}
  labels: {{- include "desktops.labels" (dict "root" $.root "component" $.name) | nindent 4 }}
rules:
  - apiGroups: [""]
    resources: [pods]
    verbs: [list]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $.root.Release.Namespace }}-{{ $.name }}
  namespace: {{ . }}
  labels: {{- include "desktops.labels" (dict "root" $.root "component" $.name) | nindent 4 }}
subjects: [{ kind: ServiceAccount, name: {{ $.name }}, namespace: {{ $.root.Release.Namespace }} }]
roleRef: { kind: Role, name: {{ $.root.Release.Namespace }}-{{ $.name }}, apiGroup: rbac.authorization.k8s.io }
{{- end }}
{{- end }}
{{- end }}
