{{- /* One start-test: a desktop as people start it, but with nobody's home, account or token, and
     beside it the program that looks at it. hub_service fills in: name, the job's label, the image
     of the version, and a token that is made for this one test. */ -}}
{{- define "desktops.start-test-job" -}}
apiVersion: batch/v1
kind: Job
metadata:
  labels: {{- include "desktops.labels" (dict "root" $ "component" "start-test") | nindent 4 }}
spec:
  backoffLimit: 0
  # hub_service removes it at once; this is for one that hub_service lost.
  ttlSecondsAfterFinished: 3600
  template:
    metadata:
      labels: {{- include "desktops.labels" (dict "root" $ "component" "start-test") | nindent 8 }}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 2
      activeDeadlineSeconds: {{ mul .Values.startTests.minutes 60 }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 1000
        runAsGroup: 100
        fsGroup: 100
        seccompProfile: { type: RuntimeDefault }
      imagePullSecrets: {{ toJson (concat (list (dict "name" (include "desktops.registry-pull" .))) .Values.imagePullSecrets) }}
      containers:
        # First: the tester's image is small, and a desktop waits half a minute for its hub.
        - name: desktop
          image: filled-in
          imagePullPolicy: IfNotPresent
          env:
            {{- include "desktops.start-test-env" . | nindent 12 }}
            # On the loopback: whatever the cluster's network allows, nobody but the tester gets in.
            - { name: JUPYTERHUB_SERVICE_URL, value: "http://127.0.0.1:8888" }
            - { name: JUPYTERHUB_BASE_URL, value: / }
            - { name: JUPYTERHUB_USER, value: start-test }
            - { name: JUPYTERHUB_CLIENT_ID, value: jupyterhub-user-start-test }
            - { name: JUPYTERHUB_SERVER_NAME, value: "" }
            - { name: JUPYTERHUB_HOST, value: "" }
            - { name: JUPYTERHUB_OAUTH_CALLBACK_URL, value: /user/start-test/oauth_callback }
            - { name: JUPYTERHUB_OAUTH_ACCESS_SCOPES, value: '["access:servers!user=start-test"]' }
            - { name: DESKTOPS_SESSION, value: use }
            {{- include "desktops.ca-env" . | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            capabilities: { drop: [ALL] }
          resources: {{- toYaml .Values.startTests.resources | nindent 12 }}
          {{- with include "desktops.ca-mount" . }}
          volumeMounts: {{- . | nindent 12 }}
          {{- end }}
        - name: tester
          image: {{ .Values.startTests.image }}
          imagePullPolicy: {{ .Values.startTests.imagePullPolicy }}
          env:
            {{- include "desktops.start-test-env" . | nindent 12 }}
            - { name: START_TEST_SECONDS, value: {{ .Values.startTests.seconds | quote }} }
          securityContext: {{- include "desktops.container-security" . | nindent 12 }}
          resources: { limits: { cpu: "1", memory: 256Mi } }
      {{- with include "desktops.ca-volume" . }}
      volumes: {{- . | nindent 8 }}
      {{- end }}
{{- end }}

{{- define "desktops.start-test-env" -}}
- { name: JUPYTERHUB_API_URL, value: "http://127.0.0.1:8081/hub/api" }
- { name: JUPYTERHUB_SERVICE_PREFIX, value: /user/start-test/ }
{{- end }}
