{{- /* What may be written behind FROM: the slugs of the base images. */ -}}
{{- define "desktops.build-bases" -}}
{{- $bases := dict }}
{{- range .Values.desktops.baseImages }}{{ $_ := set $bases .slug .image }}{{ end }}
{{- toJson $bases }}
{{- end }}

{{- /* What people read instead of those slugs. */ -}}
{{- define "desktops.build-titles" -}}
{{- $titles := dict }}
{{- range .Values.desktops.baseImages }}{{ $_ := set $titles .slug .title }}{{ end }}
{{- toJson $titles }}
{{- end }}

{{- define "desktops.build-registry-env" -}}
- { name: REGISTRY_URL, value: {{ include "desktops.registry-url" . | quote }} }
- { name: REGISTRY_PREFIX, value: {{ .Values.registry.prefix | quote }} }
- name: REGISTRY_USERNAME
  valueFrom: { secretKeyRef: { name: {{ include "desktops.registry-push" . }}, key: username } }
- name: REGISTRY_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ include "desktops.registry-push" . }}, key: password } }
{{- end }}

{{- /* The registry and the registries of base images that are inside the cluster's networks. */ -}}
{{- define "desktops.build-guard" -}}
{{- $url := urlParse (include "desktops.registry-url" .) }}
{{- $port := ternary "" (ternary ":443" ":80" (eq $url.scheme "https")) (contains ":" $url.host) }}
{{- dict
    "forbidden" .Values.builds.egress.forbidden
    "openings" (concat (list (print $url.host $port)) .Values.snapshotAgent.plainHttpRegistries .Values.builds.egress.openings)
    | toJson }}
{{- end }}

{{- /* BuildKit's own configuration: how much of the cache it keeps, and which registries have no TLS. */ -}}
{{- define "desktops.buildkitd-toml" -}}
[worker.oci]
gc = true
maxUsedSpace = "{{ regexReplaceAll "([EPTGMk])i?$" .Values.builds.cache.capacity "${1}B" }}"
{{- range .Values.snapshotAgent.plainHttpRegistries }}
[registry."{{ . }}"]
http = true
{{- end }}
{{ end }}

{{- /* A person's cache; hub_service gives it its name. */ -}}
{{- define "desktops.build-claim" -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  labels: {{- include "desktops.labels" (dict "root" $ "component" "build") | nindent 4 }}
spec:
  accessModes: [ReadWriteOnce]
  {{- with .Values.builds.cache.storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources: { requests: { storage: {{ .Values.builds.cache.capacity }} } }
{{- end }}

{{- /* One build. hub_service fills in: name, the job's label, what is built, and where it goes. */ -}}
{{- define "desktops.build-job" -}}
{{- $privileged := eq .Values.builds.mode "privileged" }}
apiVersion: batch/v1
kind: Job
metadata:
  labels: {{- include "desktops.labels" (dict "root" $ "component" "build") | nindent 4 }}
spec:
  backoffLimit: 0
  # hub_service removes it at once; this is for one that hub_service lost.
  ttlSecondsAfterFinished: 86400
  template:
    metadata:
      labels: {{- include "desktops.labels" (dict "root" $ "component" "build") | nindent 8 }}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 5
      activeDeadlineSeconds: {{ mul .Values.builds.minutes 60 }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, fsGroupChangePolicy: OnRootMismatch }
      {{- include "desktops.pull-secrets" . | nindent 6 }}
      initContainers:
        - name: fetch
          image: {{ .Values.builds.image }}
          imagePullPolicy: {{ .Values.builds.imagePullPolicy }}
          args: [fetch]
          env:
            {{- include "desktops.build-registry-env" . | nindent 12 }}
            {{- include "desktops.ca-env" . | nindent 12 }}
          securityContext: {{- include "desktops.build-plain" . | nindent 12 }}
          resources: { limits: { cpu: "1", memory: 512Mi } }
          volumeMounts:
            - { name: work, mountPath: /work }
            - { name: tmp, mountPath: /tmp }
            {{- include "desktops.ca-mount" . | nindent 12 }}
        # It closes the pod's network before anything of the Dockerfile runs: its one capability.
        - name: guard
          image: {{ .Values.builds.image }}
          imagePullPolicy: {{ .Values.builds.imagePullPolicy }}
          args: [guard]
          env:
            - { name: GUARD, value: {{ include "desktops.build-guard" . | quote }} }
            - name: HOST_IPS
              valueFrom: { fieldRef: { fieldPath: status.hostIPs } }
          securityContext:
            runAsUser: 0
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: { drop: [ALL], add: [NET_ADMIN] }
            seccompProfile: { type: RuntimeDefault }
          resources: { limits: { cpu: "1", memory: 128Mi } }
        - name: build
          image: {{ .Values.builds.image }}
          imagePullPolicy: {{ .Values.builds.imagePullPolicy }}
          args: [build]
          env:
            - { name: BUILD_MODE, value: {{ .Values.builds.mode }} }
            - { name: HOME, value: /tmp }
            {{- include "desktops.ca-env" . | nindent 12 }}
          securityContext:
            {{- if $privileged }}
            privileged: true
            runAsUser: 0
            runAsGroup: 0
            {{- else }}
            # newuidmap gets its capability from its file: no_new_privs would take it away.
            allowPrivilegeEscalation: true
            # A user namespace of its own, mounts inside it: the default profile forbids both.
            seccompProfile: { type: Unconfined }
            appArmorProfile: { type: Unconfined }
            capabilities: { drop: [ALL], add: [SETUID, SETGID] }
            {{- end }}
          resources: {{- toYaml .Values.builds.resources | nindent 12 }}
          volumeMounts:
            - { name: config, mountPath: /config, readOnly: true }
            - { name: work, mountPath: /work, readOnly: true }
            - { name: out, mountPath: /out }
            - { name: cache, mountPath: /cache }
            - { name: tmp, mountPath: /tmp }
            {{- include "desktops.ca-mount" . | nindent 12 }}
      containers:
        - name: push
          image: {{ .Values.builds.image }}
          imagePullPolicy: {{ .Values.builds.imagePullPolicy }}
          args: [push]
          env:
            {{- include "desktops.build-registry-env" . | nindent 12 }}
            - { name: PLAIN_HTTP, value: {{ join " " .Values.snapshotAgent.plainHttpRegistries | quote }} }
            {{- include "desktops.ca-env" . | nindent 12 }}
          securityContext: {{- include "desktops.build-plain" . | nindent 12 }}
          resources: { limits: { cpu: "1", memory: 512Mi } }
          volumeMounts:
            - { name: out, mountPath: /out, readOnly: true }
            {{- include "desktops.ca-mount" . | nindent 12 }}
      volumes:
        - name: config
          configMap: { name: filled-in }
        - name: cache
          persistentVolumeClaim: { claimName: filled-in }
        - name: work
          emptyDir: { sizeLimit: 4Gi }
        - name: out
          emptyDir: { sizeLimit: {{ .Values.builds.disk }} }
        - name: tmp
          emptyDir: { sizeLimit: 4Gi }
        {{- include "desktops.ca-volume" . | nindent 8 }}
{{- end }}

{{- define "desktops.build-plain" -}}
runAsNonRoot: true
seccompProfile: { type: RuntimeDefault }
{{ include "desktops.container-security" . }}
{{- end }}
