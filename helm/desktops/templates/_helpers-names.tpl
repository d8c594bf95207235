{{- /* The one place where objects get their names. */ -}}
{{- define "desktops.hub" -}}hub{{- end }}
{{- define "desktops.proxy" -}}proxy{{- end }}
{{- define "desktops.proxy-public" -}}proxy-public{{- end }}
{{- define "desktops.proxy-api" -}}proxy-api{{- end }}
{{- define "desktops.hub-service" -}}hub-service{{- end }}
{{- define "desktops.snapshot-agent" -}}snapshot-agent{{- end }}
{{- define "desktops.registry" -}}registry{{- end }}
{{- define "desktops.tokens" -}}desktops-tokens{{- end }}
{{- define "desktops.registry-push" -}}{{ .Values.registry.credentialsSecret | default "registry-push" }}{{- end }}
{{- define "desktops.registry-pull" -}}{{ .Values.registry.pullSecret | default "registry-pull" }}{{- end }}
{{- define "desktops.ca-bundle" -}}extra-ca-bundle{{- end }}
{{- define "desktops.registry-url" -}}{{ .Values.registry.url | default (printf "http://%s:5000" (include "desktops.registry" .)) }}{{- end }}
{{- define "desktops.service-token-secret" -}}{{ .Values.hubService.external.tokenSecret | default (include "desktops.tokens" .) }}{{- end }}
