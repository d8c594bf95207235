{{- /* One scan. Only the first step gets what the nodes pull with, and it opens nothing that it
     fetches; the last one opens the image, and has neither credential nor account. hub_service fills
     in: name, the job's label, and what is scanned. */ -}}
{{- define "desktops.scan-job" -}}
{{- if not (or .Values.scans.databaseUrl .Values.scans.databaseClaim) }}
{{- fail "scans.enabled needs scans.databaseUrl or scans.databaseClaim: where grype's database comes from." }}
{{- end }}
apiVersion: batch/v1
kind: Job
metadata:
  labels: {{- include "desktops.labels" (dict "root" $ "component" "scan") | nindent 4 }}
spec:
  backoffLimit: 0
  # hub_service removes it at once; this is for one that hub_service lost.
  ttlSecondsAfterFinished: 3600
  template:
    metadata:
      labels: {{- include "desktops.labels" (dict "root" $ "component" "scan") | nindent 8 }}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 2
      activeDeadlineSeconds: {{ mul .Values.scans.minutes 60 }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext: {{- include "desktops.pod-security" . | nindent 8 }}
      {{- include "desktops.pull-secrets" . | nindent 6 }}
      initContainers:
        - name: fetch
          image: {{ .Values.scans.image }}
          imagePullPolicy: {{ .Values.scans.imagePullPolicy }}
          args: [fetch]
          env:
            - { name: REGISTRY_HOST, value: {{ .Values.registry.host | quote }} }
            - { name: REGISTRY_URL, value: {{ include "desktops.registry-url" . | quote }} }
            - { name: PLAIN_HTTP, value: {{ join " " .Values.snapshotAgent.plainHttpRegistries | quote }} }
            - { name: PULL_SECRET, value: /pull/.dockerconfigjson }
            - { name: DISK_MEBIBYTES, value: {{ .Values.scans.imageMebibytes | quote }} }
            {{- include "desktops.ca-env" . | nindent 12 }}
          securityContext: {{- include "desktops.container-security" . | nindent 12 }}
          resources: { limits: { cpu: "1", memory: 256Mi } }
          volumeMounts:
            - { name: work, mountPath: /work }
            - { name: pull, mountPath: /pull, readOnly: true }
            {{- include "desktops.ca-mount" . | nindent 12 }}
        - name: database
          image: {{ .Values.scans.image }}
          imagePullPolicy: {{ .Values.scans.imagePullPolicy }}
          args: [database]
          env:
            {{- include "desktops.scan-env" . | nindent 12 }}
            {{- include "desktops.ca-env" . | nindent 12 }}
          securityContext: {{- include "desktops.container-security" . | nindent 12 }}
          resources: {{- toYaml .Values.scans.resources | nindent 12 }}
          volumeMounts:
            {{- include "desktops.scan-mounts" . | nindent 12 }}
            {{- include "desktops.ca-mount" . | nindent 12 }}
      containers:
        - name: scan
          image: {{ .Values.scans.image }}
          imagePullPolicy: {{ .Values.scans.imagePullPolicy }}
          args: [scan]
          env:
            {{- include "desktops.scan-env" . | nindent 12 }}
          securityContext: {{- include "desktops.container-security" . | nindent 12 }}
          resources: {{- toYaml .Values.scans.resources | nindent 12 }}
          volumeMounts:
            {{- include "desktops.scan-mounts" . | nindent 12 }}
      volumes:
        # What an image unpacks to is bounded here: a pod that fills it is ended.
        - name: work
          emptyDir: { sizeLimit: {{ .Values.scans.disk }} }
        - name: pull
          secret:
            secretName: {{ include "desktops.registry-pull" . }}
            optional: true
        {{- with .Values.scans.databaseClaim }}
        - name: database
          persistentVolumeClaim: { claimName: {{ . }}, readOnly: true }
        {{- end }}
        {{- include "desktops.ca-volume" . | nindent 8 }}
{{- end }}

{{- define "desktops.scan-env" -}}
- { name: DATABASE, value: {{ ternary "/database" "/work/database" (not (empty .Values.scans.databaseClaim)) }} }
- { name: DATABASE_URL, value: {{ ternary "" .Values.scans.databaseUrl (not (empty .Values.scans.databaseClaim)) | quote }} }
- { name: DATABASE_DAYS, value: {{ .Values.scans.databaseDays | quote }} }
- { name: DISK_MEBIBYTES, value: {{ .Values.scans.imageMebibytes | quote }} }
- { name: SCAN_SECONDS, value: {{ mul .Values.scans.minutes 40 | quote }} }
{{- end }}

{{- define "desktops.scan-mounts" -}}
- { name: work, mountPath: /work }
{{- if .Values.scans.databaseClaim }}
- { name: database, mountPath: /database, readOnly: true }
{{- end }}
{{- end }}
