{{- /* Frees the registry's disk. hub_service makes the registry read-only first, and gives the Job its name. */ -}}
{{- define "desktops.registry-cleanup" -}}
apiVersion: batch/v1
kind: Job
metadata:
  labels: {{- include "desktops.labels" (dict "root" $ "component" "registry-cleanup") | nindent 4 }}
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: 86400
  template:
    metadata:
      labels: {{- include "desktops.labels" (dict "root" $ "component" "registry-cleanup") | nindent 8 }}
    spec:
      restartPolicy: Never
      activeDeadlineSeconds: {{ mul .Values.registry.cleanup.minutes 60 }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext: {{- include "desktops.pod-security" . | nindent 8 }}
      {{- include "desktops.pull-secrets" . | nindent 6 }}
      # A volume for one node can be used by two pods of that node only.
      affinity:
        podAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - topologyKey: kubernetes.io/hostname
              labelSelector:
                matchLabels: {{- include "desktops.selector" (dict "component" "registry") | nindent 18 }}
      containers:
        - name: clean
          image: {{ .Values.registry.image }}
          imagePullPolicy: {{ .Values.registry.imagePullPolicy }}
          command: [sh, -ec]
          # Manifests without a tag stay: a version is named by its digest.
          args:
            - |
              used() { du -sk /var/lib/registry | cut -f1; }
              before=$(used)
              registry garbage-collect --quiet /etc/registry/config.yml
              echo "cleanup $before $(used)"
          env:
            - { name: OTEL_TRACES_EXPORTER, value: none }
          securityContext: {{- include "desktops.container-security" . | nindent 12 }}
          resources: {{- toYaml .Values.registry.resources | nindent 12 }}
          volumeMounts:
            - { name: config, mountPath: /etc/registry, readOnly: true }
            - { name: data, mountPath: /var/lib/registry }
      volumes:
        - name: config
          configMap: { name: {{ include "desktops.registry" . }} }
        - name: data
          persistentVolumeClaim: { claimName: {{ include "desktops.registry" . }} }
{{- end }}
