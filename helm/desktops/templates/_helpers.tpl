{{- /* Labels of everything: call with (dict "root" $ "component" "hub"). */ -}}
{{- define "desktops.selector" -}}
app.kubernetes.io/name: desktops
app.kubernetes.io/component: {{ .component }}
{{- end }}
{{- define "desktops.labels" -}}
{{ include "desktops.selector" . }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- /* What every pod of ours has: no root, no privilege, no writable root. */ -}}
{{- define "desktops.pod-security" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: { type: RuntimeDefault }
{{- end }}
{{- define "desktops.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- /* Not empty when Kubeflow says who asks, and its Notebooks are the desktops. */ -}}
{{- define "desktops.in-kubeflow" -}}
{{- if eq .Values.hubService.auth "kubeflow" }}yes{{ end -}}
{{- end }}

{{- define "desktops.pull-secrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- end }}

{{- /* The extra CA bundle: a volume, its mount, and the variables that point to it. */ -}}
{{- define "desktops.ca-volume" -}}
{{- if .Values.extraCaBundle }}
- name: ca-bundle
  configMap: { name: {{ include "desktops.ca-bundle" . }} }
{{- end }}
{{- end }}
{{- define "desktops.ca-mount" -}}
{{- if .Values.extraCaBundle }}
- { name: ca-bundle, mountPath: /etc/desktops/ca, readOnly: true }
{{- end }}
{{- end }}
{{- define "desktops.ca-env" -}}
{{- if .Values.extraCaBundle }}
{{- range list "SSL_CERT_FILE" "REQUESTS_CA_BUNDLE" "CURL_CA_BUNDLE" "PIP_CERT" "NODE_EXTRA_CA_CERTS" "GIT_SSL_CAINFO" }}
- { name: {{ . }}, value: /etc/desktops/ca/ca-certificates.crt }
{{- end }}
{{- end }}
{{- end }}

{{- /* A random value that stays the same from one upgrade to the next:
     (list . "secret" "key"). */ -}}
{{- define "desktops.kept" -}}
{{- $root := index . 0 -}}
{{- $data := (lookup "v1" "Secret" $root.Release.Namespace (index . 1) | default dict).data | default dict -}}
{{- if hasKey $data (index . 2) }}{{ index $data (index . 2) | b64dec }}{{ else }}{{ randAlphaNum 48 }}{{ end -}}
{{- end }}
