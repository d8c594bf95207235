{{- /* The hub's configuration as traits; hub.config of the values has the last word.
     The same dictionary is what an existing Zero-to-JupyterHub release takes (docs). */ -}}
{{- define "desktops.hub-config" -}}
JupyterHub:
  spawner_class: desktops
  ip: 0.0.0.0
  hub_bind_url: http://:8081
  hub_connect_url: http://{{ include "desktops.hub" . }}:8081
  cleanup_servers: false
  cleanup_proxy: false
  concurrent_spawn_limit: 64
  db_url: sqlite:////srv/jupyterhub/data/jupyterhub.sqlite
  cookie_secret_file: /srv/jupyterhub/data/cookie_secret
  {{- with .Values.hub.publicUrl }}
  public_url: {{ . | quote }}
  {{- end }}
ConfigurableHTTPProxy:
  should_start: false
  api_url: http://{{ include "desktops.proxy-api" . }}:8001
CatalogueClient:
  url: http://{{ include "desktops.hub-service" . }}:8080/services/desktops/api/v1
DesktopSpawner:
  base_images: {{ toJson .Values.desktops.baseImages }}
  sizes: {{ toJson .Values.desktops.sizes }}
  session_api_url: http://{{ include "desktops.hub-service" . }}:8080/services/desktops/api/v1
  idle_hours: {{ if .Values.hub.cull.enabled }}{{ .Values.hub.cull.hours }}{{ else }}0{{ end }}
  namespace: {{ .Release.Namespace }}
  storage_capacity: {{ .Values.desktops.home.capacity }}
  {{- with .Values.desktops.home.storageClass }}
  storage_class: {{ . }}
  {{- end }}
  image_pull_secrets: {{ toJson (concat (list (include "desktops.registry-pull" .)) .Values.imagePullSecrets) }}
  common_labels:
    app.kubernetes.io/name: desktops
    app.kubernetes.io/component: session
  {{- if .Values.extraCaBundle }}
  volumes:
    {{- include "desktops.ca-volume" . | nindent 4 }}
  volume_mounts:
    {{- include "desktops.ca-mount" . | nindent 4 }}
  environment:
    {{- range include "desktops.ca-env" . | fromYamlArray }}
    {{ .name }}: {{ .value }}
    {{- end }}
  {{- end }}
  start_timeout: {{ .Values.desktops.startTimeout }}
  http_timeout: 60
{{- end }}
